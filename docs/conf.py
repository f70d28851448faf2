"""How Sphinx makes one site of the pages in docs/: `make docs` -> build/docs, warnings are errors.

The pages work from disk and ask no other host for anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

from medalist import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "medalist"
author = "the medalist authors"
project_copyright = author
release = __version__

extensions = ["myst_parser", "pages_from_code"]
exclude_patterns = ["build"]
myst_heading_anchors = 3
smartquotes = False  # an option keeps its two dashes

html_theme = "furo"
html_title = f"medalist {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # from disk a browser may not fetch the pages that it would quote
html_permalinks_icon = "#"
pygments_style = "tango"
pygments_dark_style = "monokai"
