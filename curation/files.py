"""Which files a source has (manifests/FORMAT.md, section 2): a glob, its fixed part, and the files below it."""

import os
from pathlib import Path
from typing import NamedTuple

from curation.errors import SourceError
from curation.globs import has_magic, name_matches

FORMATS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".csv", ".tsv")


class SourceFile(NamedTuple):
    """A file of a source: its path below the fixed part, as it stands in a manifest, and where it is here."""

    path: str
    here: Path


def split_glob(pattern: str) -> tuple[str, str]:
    """The fixed part of a pattern and the rest: directories before the first component with `*`, `?` or `[`."""
    components = pattern.split("/")
    magic = next((place for place, text in enumerate(components) if has_magic(text)), len(components) - 1)
    fixed = "/".join(components[:magic])
    if magic and not fixed:
        fixed = "/"
    return fixed, "/".join(components[magic:])


def find_files(source: str, pattern: str, folder: Path) -> tuple[Path, list[SourceFile]]:
    """The fixed part of a source's files, resolved against `folder`, and its files in order.

    Raises SourceError when there are none, a plain path is a folder, or a name or format can't be used.
    """
    fixed, rest = split_glob(pattern)
    base = folder / fixed
    plain = base / rest
    if not has_magic(rest):
        if plain.is_dir():
            raise SourceError(
                f"source {source}: {plain} is a folder; give a file or a glob such as {pattern.rstrip('/')}/*.parquet"
            )
        found = [rest] if rest and plain.is_file() else []
    else:
        try:
            found = sorted(_matches(base, rest.split("/")), key=os.fsencode)
        except OSError as error:
            raise SourceError(
                f"source {source}: {error.filename}: can't be listed ({error.strerror}); "
                "check its permissions and links"
            ) from error
    if not found:
        raise SourceError(
            f"source {source}: no file matches {plain}; check 'files' (relative to the recipe) or the folder given"
        )
    return base, [_usable(source, SourceFile(path, base / path)) for path in found]


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


def _matches(base: Path, components: list[str]) -> set[str]:
    """Paths below `base` of the regular files that match, component by component."""
    head, *rest = components
    found: set[str] = set()
    if head == "**":
        if rest:
            found |= _matches(base, rest)
        for entry in _listing(base):
            if entry.is_dir() and not entry.name.startswith("."):
                found |= {f"{entry.name}/{path}" for path in _matches(Path(entry.path), components)}
            elif not rest and entry.is_file() and not entry.name.startswith("."):
                found.add(entry.name)
        return found
    for entry in _listing(base):
        if not name_matches(head, entry.name):
            continue
        if rest and entry.is_dir():
            found |= {f"{entry.name}/{path}" for path in _matches(Path(entry.path), rest)}
        elif not rest and entry.is_file():
            found.add(entry.name)
    return found


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
