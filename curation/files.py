"""Which files a source has (manifests/FORMAT.md, section 2): a glob, its fixed part, and the files below it.

A pattern is a path, or a URL: the objects of a bucket are files, and their prefixes folders, by the same rules.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from curation.errors import SourceError
from curation.globs import has_magic, name_matches
from manifests.objects import Entry, Location, ObjectFile, is_url, url_fault

FORMATS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".csv", ".tsv")


class SourceFile(NamedTuple):
    """A file of a source: its path below the fixed part, as it stands in a manifest, and where it is here.

    People are shown where it is as they said it. Another process may stand in another folder: it gets the whole path.
    """

    path: str
    here: Location

    @property
    def everywhere(self) -> Location:
        """Where it is, from whatever folder one looks."""
        return self.here if isinstance(self.here, ObjectFile) else self.here.absolute()

    def __reduce__(self) -> tuple[type["SourceFile"], tuple[str, Location]]:
        return SourceFile, (self.path, self.everywhere)


def split_glob(pattern: str) -> tuple[str, str]:
    """The fixed part of a pattern and the rest: directories before the first component with `*`, `?` or `[`."""
    components = pattern.split("/")
    magic = next((place for place, text in enumerate(components) if has_magic(text)), len(components) - 1)
    fixed = "/".join(components[:magic])
    if magic and not fixed:
        fixed = "/"
    return fixed, "/".join(components[magic:])


def find_files(source: str, pattern: str, folder: Path) -> tuple[Location, list[SourceFile]]:
    """The fixed part of a source's files, resolved against `folder` unless it is a URL, and its files in order.

    Raises SourceError when there are none, a plain path is a folder, or a name or format can't be used.
    """
    fixed, rest = split_glob(pattern)
    base = _object_base(source, pattern, fixed) if is_url(pattern) else folder / fixed
    plain = base / rest
    try:
        if has_magic(rest):
            found = sorted(_matches(base, rest.split("/")), key=os.fsencode)
        elif rest and plain.is_file():
            found = [rest]
        elif plain.is_dir():
            raise SourceError(
                f"source {source}: {plain} is a folder; give a file or a glob such as {pattern.rstrip('/')}/*.parquet"
            )
        else:
            found = []
    except OSError as error:
        advice = "its permissions and links" if isinstance(base, Path) else "the address and the credentials"
        raise SourceError(
            f"source {source}: {error.filename}: can't be listed ({error.strerror}); check {advice}"
        ) from error
    if not found:
        raise SourceError(
            f"source {source}: no file matches {plain}; check 'files' (relative to the recipe) or the folder given"
        )
    return base, [_usable(source, SourceFile(path, base / path)) for path in found]


def _object_base(source: str, pattern: str, fixed: str) -> ObjectFile:
    """The fixed part of a URL: at least the bucket."""
    if fault := url_fault(pattern):
        raise SourceError(f"source {source}: {pattern}: {fault}")
    if not is_url(f"{fixed}/") or fixed.endswith(":/"):
        raise SourceError(
            f"source {source}: {pattern} is a bucket; give an object or a glob such as {pattern.rstrip('/')}/*.parquet"
        )
    return ObjectFile(fixed)


def _usable(source: str, file: SourceFile) -> SourceFile:
    try:
        file.path.encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            f"source {source}: a file name that is not UTF-8: {os.fsencode(file.path)!r}; rename it"
        ) from error
    if not file.path.endswith(FORMATS) or file.here.suffix == "":
        raise SourceError(
            f"source {source}: {file.here}: expected a name ending in one of {', '.join(FORMATS)}"
        )
    return file


def _matches(base: Location, components: list[str]) -> set[str]:
    """Paths below `base` of the regular files that match, component by component."""
    head, *rest = components
    found: set[str] = set()
    if head == "**":
        if rest:
            found |= _matches(base, rest)
        for entry in _listing(base):
            if entry.is_dir() and not entry.name.startswith("."):
                found |= {f"{entry.name}/{path}" for path in _matches(_below(base, entry), components)}
            elif not rest and entry.is_file() and not entry.name.startswith("."):
                found.add(entry.name)
        return found
    for entry in _listing(base):
        if not name_matches(head, entry.name):
            continue
        if rest and entry.is_dir():
            found |= {f"{entry.name}/{path}" for path in _matches(_below(base, entry), rest)}
        elif not rest and entry.is_file():
            found.add(entry.name)
    return found


def _below(base: Location, entry: os.DirEntry[str] | Entry) -> Location:
    return Path(entry.path) if isinstance(base, Path) else ObjectFile(entry.path)


def _listing(folder: Location) -> Sequence[os.DirEntry[str] | Entry]:
    if isinstance(folder, ObjectFile):
        return folder.entries()
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
