"""The record: run folders found, read, remembered in an index, and compared; a run folder is the truth.

made      what a run was made with: versions, machine, when
entries   a finished run folder -> its facts; folders below a place
index     the same remembered in SQLite, rebuilt from the folders at any time
keys      which keys of two recipes differ, a section that one lacks as one
lineage   which earlier run each is nearest to, what changed, and what that was worth
listing   `medalist runs`: a table, and as CSV
differing `medalist diff`: two runs
choosing  `medalist best`: the best of many, corrected for the choice
"""
