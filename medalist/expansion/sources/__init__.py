"""Where more images come from; `contract` says what a source keeps to.

    folder                  class folders of this machine, or a flat one
    csv                     a list of URLs and labels
    openverse, commons      searches of openly licensed images
    ddgs                    a search of the whole web, licences unknown

A new one is a file here, named in the import below.
"""

from __future__ import annotations

from medalist.expansion.sources import commons, csv_list, ddgs_search, folder, openverse
from medalist.expansion.sources.contract import Source, Streams, passed_over, search, source_of, sources

__all__ = [
    "Source",
    "Streams",
    "commons",
    "csv_list",
    "ddgs_search",
    "folder",
    "openverse",
    "passed_over",
    "search",
    "source_of",
    "sources",
]
