"""The page in a browser: it says nothing, asks nobody, fits the screen, and is reached by the keyboard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medalist.experiments.folder import asking, finish
from medalist.report.written import report

WIDTHS = (390, 1280)
PATIENCE = 90_000  # milliseconds: a slow machine is no fault of the page
CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[2]


def missing(what: str) -> None:
    """Where the Makefile could have installed it, a skip is a failure."""
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and (what != "chromium" or apt_knows(what)):
        pytest.fail(f"{what} is missing; `make test` installs it")
    pytest.skip(f"needs {what}: apt-get install chromium, pip install playwright")


def apt_knows(package: str) -> bool:
    """Whether apt could install it here."""
    try:
        return subprocess.run(["apt-cache", "show", package], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.parametrize(("known", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)])
def test_a_missing_browser_fails_only_where_apt_knows_it(
    known: bool, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(f"{__name__}.apt_knows", lambda _: known)
    with pytest.raises(outcome, match="chromium"):
        missing("chromium")


@pytest.mark.parametrize(
    ("target", "asked"), [("test", True), ("test-slow", True), ("check", False), ("docs", False), ("bench", False)]
)
def test_only_tests_ask_for_a_browser(target: str, asked: bool) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    words = ["make", "--dry-run", target, f"PYTHON={sys.executable}"]
    told = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    assert ("timeout 300" in told) is asked


def test_a_failed_install_is_told_and_fails_nothing(tmp_path: Path) -> None:
    for name, says in {"id": "echo 0", "apt-get": "echo no such archive >&2; exit 100"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("make", "sh", "timeout", "sed", "uv"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    told = subprocess.run(
        [str(tmp_path / "make"), "chromium"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "no such archive" in told.stdout and "skipped" in told.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(lab: Any, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path_factory: Any) -> Path:
    """The report of a run with hostile names, and with images."""
    root, ids, y, classes = dataset
    run = lab.run(tmp_path_factory.mktemp("run"), y, classes, ids=ids, num_test=9, notes=list(lab.hostile))
    report(run, data=root)
    return run / "report"


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """`visit(file, width=1280, scheme="light")`: an open page; at the end nothing was said, and nobody asked."""
    told: list[str] = []
    contexts = []

    def open_page(file: Path, *, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))

        def route(one: Any) -> None:
            if one.request.url.startswith("file://"):
                one.continue_()
            else:
                told.append(f"request: {one.request.url}")
                one.abort()

        page.route("**/*", route)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_shows_its_pictures(visit: Any, folder: Path, width: int) -> None:
    page = visit(folder / "index.html", width=width)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for picture in page.query_selector_all("img"):
        picture.scroll_into_view_if_needed()
        page.wait_for_function("one => one.complete && one.naturalWidth > 0", arg=picture)
    assert page.locator("img").count() > 10


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["tags", "many"])
def test_tags_and_many_classes_fit(visit: Any, lab: Any, tmp_path: Path, width: int, kind: str) -> None:
    if kind == "tags":
        run = lab.run(tmp_path, lab.tags(96, 8), lab.hostile, metric="f1_micro")
    else:
        names = [f"a class with a long name, number {c}" for c in range(102)]
        run = lab.run(tmp_path, lab.labels(408, 102), names)
    report(run)
    page = visit(run / "report" / "index.html", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_of_an_experiment_fit_and_stand_in_their_frame(visit: Any, tmp_path: Path, width: int) -> None:
    row = {"gain": 0.0, "gain_stderr": 0.01, "stderr": 0.01, "images_s": 40.0, "mparams": 3.0, "verdict": "equal"}
    names = ["best", "a backbone with a long name, and a longer one", "third"]
    rows = [{**row, "name": one, "backbones": [one], "score": 0.9 - k / 9} for k, one in enumerate(names)]
    rows = [{**one, "mparams": 3.0**k} for k, one in enumerate(rows)]
    with asking(tmp_path, {"question": "rank"}):
        finish(tmp_path, {"question": "rank", "metric": "accuracy", "rows": rows}, "a table")
    report(tmp_path)
    page = visit(tmp_path / "report" / "index.html", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = """[...document.querySelectorAll('svg.chart')].map(chart => { const frame = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('.mark path')].map(mark => { const box = mark.getBoundingClientRect();
            return box.width > 5 && box.left >= frame.left && box.right <= frame.right && box.top >= frame.top
                && box.bottom <= frame.bottom; }); })"""
    assert page.evaluate(inside) == [[True] * 3] * 2
    page.locator("[aria-label='All that ranked']").focus()  # what scrolls is reached without a mouse
    assert page.evaluate("document.activeElement.tabIndex") == 0


def test_hostile_names_are_text(visit: Any, lab: Any, folder: Path) -> None:
    page = visit(folder / "index.html")
    text = page.locator("#classes").inner_text()
    assert "<script>alert(1)<" in text and '"><img src=x onerror=alert(2)>' in text
    assert page.locator("script").count() == 1
    assert page.locator("[onerror]").count() == 0


def test_light_and_dark_differ(visit: Any, folder: Path, tmp_path: Path) -> None:
    means = []
    for scheme in ("light", "dark"):
        shot = tmp_path / f"{scheme}.png"
        visit(folder / "index.html", scheme=scheme).screenshot(path=shot)
        means.append(np.asarray(Image.open(shot).convert("L")).mean())
    assert means[0] > 200 and means[1] < 80


def test_the_keyboard_reaches_each_section(visit: Any, folder: Path) -> None:
    page = visit(folder / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    sections = page.locator("main > section").count()
    reached = []
    for _ in range(sections):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == [
        f"#{name}" for name in page.evaluate("[...document.querySelectorAll('main > section')].map(s => s.id)")
    ]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == reached[-1]


def test_the_order_of_the_matrix_is_chosen_without_a_script(visit: Any, folder: Path) -> None:
    page = visit(folder / "index.html", scripts=False)
    views = page.locator("#confusion .view")
    assert [views.nth(k).is_visible() for k in range(3)] == [True, False, False]
    page.locator("#confusion-0").focus()
    page.keyboard.press("ArrowRight")
    assert [views.nth(k).is_visible() for k in range(3)] == [False, True, False]
    assert page.locator("#classes table").is_visible()


def test_tables_are_sorted_by_any_column(visit: Any, folder: Path) -> None:
    page = visit(folder / "index.html")
    column = "[...document.querySelectorAll('#classes tbody tr')].map(row => parseFloat(row.cells[3].dataset.key))"
    head = page.locator("#classes thead button").nth(3)
    head.click()
    assert page.evaluate(column) == sorted(page.evaluate(column))
    assert page.locator("#classes thead th").nth(3).get_attribute("aria-sort") == "ascending"
    head.click()
    assert page.evaluate(column) == sorted(page.evaluate(column), reverse=True)


def test_a_script_of_anybody_else_is_refused(browser: Any, folder: Path) -> None:
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    page.evaluate("""() => { const one = document.createElement("script");
        one.textContent = "window.ran = true"; document.body.append(one); }""")
    assert page.evaluate("window.ran") is None
    page.close()
