"""`medalist run --budget 30m`: the best submission that a time allows, one that counts from the first minutes on.

clock      durations as text, and how much of one is left since the process began
steps      what may be tried, in which order: rank, fuse, views, tune, blend
forecast   what a step will take, from the speeds measured so far
child      a step in a process of its own, which can be ended at any moment
incumbent  the best so far: compared in pairs, shown in the experiment's folder by one atomic link
loop       step after step until the time, the interrupt or the ideas end
journal    what was tried, on disk after each step, and as a table
within     `run_within`: all of it, in a folder
"""
