"""What strangers wrote is no formula; what machines read is as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medalist.data.textfiles import unguarded
from medalist.expansion.found import Fetched, Found, Refused
from medalist.expansion.screen import OfClass, Screened, Verdict
from medalist.expansion.written import COLUMNS, EXTRA, REFUSED, SUMMARY, WHY, summary_of, write


def fetched(label: str, number: int = 0, **told: str) -> Fetched:
    name = f"{number:064x}"
    found = Found(f"https://example.org/{number}.jpg", label, "openverse", **told)
    return Fetched(found, f"images/00/{name}.jpg", name, 10, "JPEG")


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_formulas_are_guarded_but_labels_and_paths_exact(tmp_path: Path) -> None:
    one = fetched("=class", author="=cmd()", licence="-by", query="@x", page="+1")
    away = Refused(Found("https://example.org/x", "b", "csv", author="\tx"), "=told")
    write(tmp_path, Screened((Verdict(one),), {}), [away], {})
    (row,) = read(tmp_path / EXTRA)
    assert (row["label"], row["path"], row["id"], row["weight"]) == ("=class", one.path, one.hash, "1")
    assert [row[name] for name in ("author", "licence", "query", "page")] == ["'=cmd()", "'-by", "'@x", "'+1"]
    (row,) = read(tmp_path / REFUSED)
    assert tuple(row) == (*COLUMNS, *WHY)
    assert (row["kind"], row["reason"], row["author"], row["path"], row["hash"]) == (
        "download", "'=told", "'\tx", "", "",
    )  # fmt: skip


def test_addresses_are_guarded_and_half_characters_spelt_out(tmp_path: Path) -> None:
    away = [Refused(Found(url, "b", "csv", author="\ud800"), "no \udfff") for url in ("=cmd()", "http://a/\ud800")]
    write(tmp_path, Screened((), {}), away, {})
    rows = read(tmp_path / REFUSED)
    assert [unguarded(row["url"]) for row in rows] == ["=cmd()", "http://a/\\ud800"]
    assert rows[0]["url"] == "'=cmd()"
    assert (rows[0]["author"], rows[0]["reason"]) == ("\\ud800", "no \\udfff")


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"), min_size=1))
def test_any_label_is_read_back(tmp_path_factory: object, label: str) -> None:
    folder = tmp_path_factory.mktemp("any")  # type: ignore[attr-defined]
    write(folder, Screened((Verdict(fetched(label)),), {}), [], {})
    assert [row["label"] for row in read(folder / EXTRA)] == [label]


def test_the_summary_counts_by_kind_and_knows_no_nan(tmp_path: Path) -> None:
    verdicts = (Verdict(fetched("a")), Verdict(fetched("a", 1), "tiny", "x"), Verdict(fetched("b", 2), "test", "y"))
    screened = Screened(verdicts, {"a": OfClass(1, 1, float("nan"), 0.04321, None)})
    away = [Refused(Found("https://example.org/x", "b", "csv"), "404")]
    told = summary_of(screened, away)
    assert told["a"] == {"found": 2, "accepted": 1, "refused": {"tiny": 1}, "judged": 1, "passed": 1, "own": None,
                         "other": 0.0432, "pure": None, "left_out": ""}  # fmt: skip
    assert told["b"] == {"found": 2, "accepted": 0, "refused": {"test": 1, "download": 1}}
    assert write(tmp_path, screened, away, {"query": "q"}) == json.loads((tmp_path / SUMMARY).read_bytes())
