"""How the page looks, its one script (it sorts tables), and what it may load: nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

HERE = Path(__file__).parent


def css() -> str:
    """`page.css` without comments and spare spaces."""
    text = re.sub(r"/\*.*?\*/", "", (HERE / "page.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*|: ", lambda found: found[1] or ":", " ".join(text.split()))


def script() -> str:
    """`sort.js`."""
    return (HERE / "sort.js").read_text(encoding="utf-8")


def policy() -> str:
    """The page's own pictures and styles, and that script, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
        f" script-src 'sha256-{digest}'"
    )
