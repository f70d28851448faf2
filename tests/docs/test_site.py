"""The site: it is built without a warning, asks no other host for anything, and its reference leaves nothing out."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

import medalist
from medalist.cli import app
from medalist.data.views import ops
from medalist.decisions.rules import rules
from medalist.ensembles import ensembles
from medalist.metrics import metrics
from medalist.recipe import Recipe
from medalist.registry import Registry
from medalist.training.heads import heads
from medalist.training.losses import losses

ROOT = Path(__file__).resolve().parents[2]
# What a browser fetches by itself, as against links that a reader follows.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Fetches(HTMLParser):
    """Addresses that a page fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(FETCHED.get(tag, ""))
        if address and dict(attrs).get("rel") not in ("canonical", "author", "license"):
            self.found.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-E",
        "-W",
        "-q",
        "-d",
        str(out / "trees"),
        str(ROOT / "docs"),
    ]
    done = subprocess.run([*command, str(out / "html")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "html"


def names_of(page: Path) -> set[str]:
    """Headings of a page, as text."""
    heads = re.findall(r"<h[23]>(.*?)<a", page.read_text(encoding="utf-8"))
    return {re.sub(r"<[^>]+>", "", one) for one in heads}


@pytest.mark.slow
def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        parser = Fetches()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found and not [one for one in parser.found if re.match(r"(https?:)?//", one)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("metrics", metrics),
        ("heads", heads),
        ("ensembles", ensembles),
        ("rules", rules),
        ("losses", losses),
        ("operations", ops),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_registered_name_has_a_section(site: Path, page: str, entries: Registry[object]) -> None:
    assert names_of(site / "reference" / f"{page}.html") == set(entries)


@pytest.mark.slow
def test_each_verb_option_key_and_public_name_is_there(site: Path) -> None:
    verbs = typer.main.get_group(app).commands
    told = (site / "reference" / "verbs.html").read_text(encoding="utf-8")
    assert {f"medalist {name}" for name, verb in verbs.items() if name != "bank"} <= names_of(
        site / "reference" / "verbs.html"
    )
    assert all(option in told for verb in verbs.values() for one in verb.params for option in one.opts if "-" in option)
    keys = (site / "reference" / "recipe.html").read_text(encoding="utf-8")
    assert all(f">{name}</span>" in keys for name in Recipe.model_fields)
    assert {name for name in medalist.__all__ if name[0] != "_"} <= names_of(site / "reference" / "python.html")


@pytest.mark.slow
def test_a_page_that_prose_names_is_a_link(site: Path) -> None:
    page = (site / "FINETUNING.html").read_text(encoding="utf-8")
    assert 'href="CARDS.html"><span class="doc">docs/CARDS.md</span>' in page
