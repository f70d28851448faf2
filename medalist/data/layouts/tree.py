"""A dataset folder -> Tree: every regular file below it, listed once with os.scandir, and what was left out and why.

No file is opened and none is asked for its status one by one: the listing is what later stages look paths up in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from medalist.data.table import TEST, TRAIN, VALID, Rejected
from medalist.data.textfiles import Csv, read_csv
from medalist.errors import DataError

T = TypeVar("T")

# `train`, `val_images`, `test2019`, ...
SPLITS = {
    split: re.compile(rf"({names})([-_ ]?(images?|imgs?|set|data))?(\d{{4}})?", re.IGNORECASE)
    for split, names in ((TRAIN, "train|training"), (VALID, "val|valid|validation"), (TEST, "test|testing"))
}
JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "__pycache__"}
# Formats are decided by bytes, later; only names that surely are no image are set apart here.
DOCUMENTS = (
    *(".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".rst", ".html", ".htm", ".xml", ".yaml", ".yml", ".toml"),
    *(".ini", ".cfg", ".log", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".py", ".ipynb", ".sh", ".lock"),
    *(".zip", ".gz", ".tar", ".tgz", ".7z", ".rar", ".npy", ".npz", ".h5", ".hdf5", ".pkl", ".pt", ".pth"),
    *(".safetensors", ".parquet", ".db", ".sqlite", ".mat"),
)


@dataclass(frozen=True, eq=False)
class Tree:
    """What lies below a root.

    Args:
        root: the folder, absolute.
        files: relative paths of all regular files, `/`-separated, sorted.
        rejected: junk, links, pipes and the like, with reasons.
        allow_outside: whether files outside the root may be used.
    """

    root: Path
    files: tuple[str, ...]
    rejected: tuple[Rejected, ...] = ()
    allow_outside: bool = False
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def images(self) -> dict[int | None, list[str]]:
        """Files that may be images, by the split that their top folder is named for (None: no split)."""
        found: dict[int | None, list[str]] = {TRAIN: [], VALID: [], TEST: [], None: []}
        splits = {top: split_of(top) for top in self.tops}
        for path in self.files:
            if not is_document(path):
                found[splits.get(path.partition("/")[0])].append(path)
        return found

    @cached_property
    def tops(self) -> dict[str, str]:
        """Each top folder with what is cut to get a path below it (`train` -> `train/`, or `train/train/`)."""
        prefixes: dict[str, str] = {}
        for path in self.files:
            top, slash, _ = path.partition("/")
            if slash:
                prefixes[top] = _shared_start(path, top) if top not in prefixes else _shorter(prefixes[top], path)
        return prefixes

    def below(self, path: str) -> str:
        """`path` as seen from its split's folder: `train/cat/1.jpg` -> `cat/1.jpg`; unchanged outside such folders."""
        top, slash, _ = path.partition("/")
        return path[len(self.tops[top]) :] if slash and split_of(top) is not None else path

    def documents(self, *suffixes: str) -> list[str]:
        """Files of these suffixes in the root or one folder down."""
        return [path for path in self._documents if path.count("/") < 2 and path.lower().endswith(suffixes)]

    @cached_property
    def _documents(self) -> list[str]:
        return [path for path in self.files if is_document(path)]

    def labelled(self, split: int, *, alone: bool) -> list[str]:
        """Where the images of an annotation file may lie: never in a test folder.

        Args:
            split: TRAIN or VALID, which the file is for.
            alone: there is no other annotation file for validation, so that one for training may hold its rows too.
        """
        if split == VALID and self.images[VALID]:
            return self.images[VALID]
        return [*self.images[TRAIN], *self.images[None], *(self.images[VALID] if alone else ())]

    def strays(self) -> list[str]:
        """Documents that lie among images."""
        tops = {path.partition("/")[0] for paths in self.images.values() for path in paths if "/" in path}
        return [path for path in self._documents if "/" in path and path.partition("/")[0] in tops]

    def csv(self, name: str) -> Csv:
        """The CSV file `name`, parsed once."""
        return self.once(name, lambda: read_csv(self.root / name, name))

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives, made at the first call; layouts that look at the same thing share it."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def summary(self) -> str:
        """One line of what was seen: top folders and files."""
        folders = [f"{top}/" for top in self.tops]
        files = [path for path in self.files if "/" not in path]
        return (
            f"{len(self.files)} files: "
            + ", ".join([*folders[:8], *files[:8]])
            + (", ..." if len(folders) > 8 or len(files) > 8 else "")
        )


def list_tree(root: Path, *, allow_outside: bool = False) -> Tree:
    """List every regular file below `root`.

    Links to files below the root are files; links to folders below it are left out (they are listed where they lie);
    links that leave it are followed only where `allow_outside`.

    Raises:
        DataError: `root` is no folder.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the folder that holds the images")
    walk = _Walk(root.resolve(), allow_outside)
    while walk.pending:
        walk.list_folder(walk.pending.pop())
    rejected = tuple(sorted(walk.rejected, key=lambda item: item.path))
    return Tree(walk.root, tuple(sorted(walk.files)), rejected, allow_outside)


@dataclass
class _Walk:
    root: Path
    allow_outside: bool
    files: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    pending: list[str] = field(default_factory=lambda: [""])
    followed: set[str] = field(default_factory=set)

    def list_folder(self, folder: str) -> None:
        """Take the files of one folder and queue its subfolders."""
        for entry in self._entries(folder):
            path = f"{folder}{entry.name}"
            if reason := _junk(entry.name):
                self.reject(path, reason)
            elif entry.is_symlink():
                self._follow(path)
            elif entry.is_dir():
                self.pending.append(path + "/")
            elif entry.is_file():
                self.files.append(path)
            else:
                self.reject(path, "not a regular file")

    def reject(self, path: str, reason: str) -> None:
        self.rejected.append(Rejected(path.encode("utf-8", "backslashreplace").decode(), reason))

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                yield from entries
        except OSError as error:
            self.reject(folder or ".", f"cannot be listed: {error.strerror}")

    def _follow(self, path: str) -> None:
        """Decide about a symbolic link."""
        target = os.path.realpath(self.root / path)
        inside = Path(target).is_relative_to(self.root)
        if not os.path.exists(target):
            self.reject(path, "link to nothing, or a loop of links")
        elif not inside and not self.allow_outside:
            self.reject(path, "link out of the dataset (data.allow_outside=true follows it)")
        elif os.path.isfile(target):
            self.files.append(path)
        elif not os.path.isdir(target):
            self.reject(path, "not a regular file")
        elif inside or target in self.followed or self.root.is_relative_to(target):
            self.reject(path, "link to a folder that is listed already")
        else:
            self.followed.add(target)
            self.pending.append(path + "/")


@lru_cache(maxsize=1024)
def split_of(name: str) -> int | None:
    """The split that a folder or a file's stem is named for: `train` -> TRAIN, `val_images` -> VALID, `cat` -> None."""
    return next((split for split, names in SPLITS.items() if names.fullmatch(name)), None)


def split_in(path: str) -> int:
    """The split that an annotation file is for, by a word in its name or by its top folder; TRAIN where neither tells.

    `instances_val2017.json`, `labels_valid.csv` and `valid/labels.csv` are for VALID.
    """
    words = [*re.findall(r"[A-Za-z]+", os.path.basename(path)), path.partition("/")[0]]
    return next((split for word in words if (split := split_of(word)) is not None), TRAIN)


def is_document(path: str) -> bool:
    """Whether the name says that the file is no image."""
    return path.lower().endswith(DOCUMENTS)


def _junk(name: str) -> str | None:
    if name.startswith("."):
        return "hidden"
    if name.lower() in JUNK or name.endswith("~"):
        return "left behind by a system or an editor"
    if not name.isascii() and "\udc80" <= max(name) <= "\udcff":
        return "its name is not UTF-8"
    return None


def _shared_start(path: str, top: str) -> str:
    """`train/train/` where the path repeats its top folder (Kaggle's archives do), else `train/`."""
    return f"{top}/{top}/" if path.startswith(f"{top}/{top}/") else f"{top}/"


def _shorter(prefix: str, path: str) -> str:
    return prefix if path.startswith(prefix) else prefix[: prefix.index("/") + 1]
