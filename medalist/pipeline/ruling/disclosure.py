"""What organisers ask winners to tell -> `disclosure.md` in the run folder, and `disclosure.json`, which is checked.

Names come from the web: each is cut to 200 characters, freed of line breaks and characters that cannot be seen, and
what Markdown or HTML would read as more than text is escaped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medalist import __version__, ledger
from medalist.pipeline.ruling.used import Images, Used, Weights, together
from medalist.recipe import RulesSection
from medalist.store import write_atomic

TEXT = "disclosure.md"
FACTS = "disclosure.json"
LONGEST = 200
MARKUP = re.compile(r"[\\`*_{}\[\]<>#!|~&$@:]|(?<=\bwww)\.", re.IGNORECASE)
UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")  # controls, turned directions, private and broken characters, line ends


@dataclass(frozen=True)
class Disclosed:
    """What a folder's answers rest on, and all rules that they were made under."""

    used: Used
    rules: tuple[RulesSection, ...]


def save_disclosure(used: Used, rules: Sequence[RulesSection], out: Path) -> None:
    """Write both files; rules that rule nothing are left out."""
    kept = [one.model_dump(mode="json") for one in dict.fromkeys(rules) if one != RulesSection()]
    write_atomic(out / TEXT, disclosure(used).encode("utf-8", "replace"))
    ledger.write_json(out / FACTS, {"used": asdict(used), "rules": kept})


def load_disclosure(folder: Path) -> Disclosed | None:
    """What a folder says of itself; None where it was written before folders did, or by a script."""
    if not (folder / FACTS).is_file():
        return None
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return Disclosed(Used.from_json(facts["used"]), tuple(map(RulesSection.model_validate, facts["rules"])))


def disclosed_by(folders: Sequence[Path]) -> Disclosed:
    """Of several run folders together; of one that says nothing, only its name is known."""
    found = [
        load_disclosure(folder) or Disclosed(Used(unknown=(folder.resolve().name,)), ())
        for folder in dict.fromkeys(folders)
    ]
    return Disclosed(together([one.used for one in found]), tuple(rule for one in found for rule in one.rules))


def disclosure(used: Used) -> str:
    """Markdown for the organisers."""
    parts = [
        ("Pretrained weights", [_of_weights(one) for one in used.weights] or ["None."]),
        ("External data", [line for one in used.images for line in _of_images(one)] or ["None."]),
        ("Test images", list(_of_test_set(used))),
        ("Seeds", [", ".join(map(str, used.seeds)) or "Not known."]),
        ("Not known", [f"What {shown(name)} used: its script made it; ask its author." for name in used.unknown]),
    ]
    text = "\n\n".join(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts if lines)
    return f"# Disclosure\n\nMade by medalist {__version__}.\n\n{text}\n"


def shown(text: str) -> str:
    """A name of somebody else's as plain text in Markdown, on one line.

    >>> shown("a<b>[c](http://d)")
    'a\\\\<b\\\\>\\\\[c\\\\](http\\\\://d)'
    """
    seen = "".join(" " if unicodedata.category(char) in UNSEEN else char for char in text)
    line = " ".join(seen.split())
    return MARKUP.sub(r"\\\g<0>", line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}...")


def _of_weights(one: Weights) -> str:
    parts = [
        shown(one.name),
        f"origin {shown(one.origin) or 'not stated'}",
        f"licence {shown(one.licence) or 'not stated'}",
        f"published {shown(one.published) or 'on a day not stated'}",
        f"SHA-256 {shown(one.sha256)}",
    ]
    return "; ".join(parts)


def _of_images(one: Images) -> Iterator[str]:
    what = f"{one.count} images of {shown(one.source) or 'a source that is not known'}"
    yield f"{what}; licence {shown(one.licence) or 'not stated'}"
    if one.authors:
        yield f"by {', '.join(map(shown, one.authors))}"


def _of_test_set(used: Used) -> Iterator[str]:
    yield f"Models {'learnt' if used.pseudo_labels else 'did not learn'} from test images (pseudo-labels)."
    yield f"Test images were {'' if used.leaks else 'not '}answered by labelled copies of them (leaks)."
