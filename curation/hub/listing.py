"""Which files of a Hub repository a source takes: from the Hub's listing of a commit, or from pinned files. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from curation.errors import RecipeError, SourceError
from curation.files import FORMATS
from curation.globs import path_matches
from curation.hub.cache import HubFile
from manifests.command import printable

COMMIT = re.compile("[0-9a-f]{40}")

_REPOSITORY = re.compile(r"\w(?:[\w.-]{0,94}\w)?/\w(?:[\w.-]{0,94}\w)?", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_NAMED = 5  # paths in a message
_NO_NAMES = frozenset({"", ".", ".."})
# What the `datasets` library keeps about a dataset, in the format of one.
_ABOUT = frozenset({"dataset_info.json", "dataset_infos.json"})
# Words that the `datasets` library takes for the name of a split that is not the one to train on.
_OTHER_SPLIT = re.compile(
    r"(?:^|[-._ 0-9/])(?:test|testing|eval|evaluation|validation|valid|dev|val)(?:[-._ 0-9/]|$)"
)


def listed_files(where: str, page: object) -> list[HubFile]:
    """The files on a page of the Hub's listing of a commit.

    Raises SourceError for anything else, and for a path that no repository can hold.
    """
    files = []
    for entry in page if isinstance(page, list) else [None]:
        match entry:
            case {"type": "file", "path": str(path), "lfs": {"oid": str(digest), "size": int(size)}}:
                file, digits = HubFile(path, size, sha256=digest), _SHA256
            case {"type": "file", "lfs": {}}:
                raise _strange(where)
            case {"type": "file", "path": str(path), "oid": str(digest), "size": int(size)}:
                file, digits = HubFile(path, size, git=digest), COMMIT
            case {"type": str(kind)} if kind != "file":
                continue
            case _:
                raise _strange(where)
        if size < 0 or not digits.fullmatch(digest):
            raise _strange(where)
        if not _NO_NAMES.isdisjoint(path.split("/")):
            raise SourceError(f"{where}: its listing has the path {path!a}; check HF_ENDPOINT")
        files.append(file)
    return files


def _strange(where: str) -> SourceError:
    return SourceError(f"{where}: its listing is none that the Hub would give; check HF_ENDPOINT")


def choose_files(where: str, files: Iterable[HubFile], pattern: str | None) -> list[HubFile]:
    """Those of a commit's files that a source takes, in byte order of their paths.

    Raises SourceError when there are none, a path or format can't be used, or without a pattern, when it takes one.
    """
    files = list(files)
    data = [file for file in files if file.path.endswith(FORMATS)]
    if pattern is None:
        chosen = [file for file in data if not _is_hidden(file.path) and _name(file.path) not in _ABOUT]
        _check_alike(where, chosen)
    else:
        chosen = [file for file in files if path_matches(pattern, file.path)]
    if not chosen:
        wanted = (
            "no file" if pattern is None else f"no file matches files = {pattern!r}; check it: the repository"
        )
        raise SourceError(
            f"{where}: {wanted} has {_some(data) or 'no file'} in a format of {', '.join(FORMATS)}"
        )
    _check_paths(where, chosen)
    return in_order(chosen)


def in_order(files: Iterable[HubFile]) -> list[HubFile]:
    """Files in byte order of their paths."""
    return sorted(files, key=lambda file: file.path.encode())


def pinned_files(where: str, files: Sequence[HubFile], pattern: str | None) -> list[HubFile]:
    """Pinned files in byte order of their paths.

    Raises RecipeError if the pattern passes over one, SourceError if a path or format can't be used.
    """
    _check_paths(where, files)
    for file in files:
        if pattern is not None and not path_matches(pattern, file.path):
            raise RecipeError(
                f"{where}: {file.path} is pinned but not among files = {pattern!r}; pin the recipe again"
            )
    return in_order(files)


def check_name(source: str, hub: str) -> None:
    """Raise RecipeError for a repository that the Hub can't have: `owner/name`, as huggingface_hub checks it."""
    if not _REPOSITORY.fullmatch(hub) or "--" in hub or ".." in hub or hub.endswith(".git"):
        raise RecipeError(f"source {source}: hub = {hub!r}: expected 'owner/name' as the Hub writes it")


def check_pattern(source: str, pattern: str) -> None:
    """Raise RecipeError for a pattern that could match nothing inside a repository."""
    if not _NO_NAMES.isdisjoint(pattern.split("/")):
        raise RecipeError(
            f"source {source}: files = {pattern!r}: expected a path or glob inside the repository, "
            "as in data/train-*.parquet"
        )


def _check_paths(where: str, files: Iterable[HubFile]) -> None:
    """Raise SourceError for a path that is not safe as one here, or a format that is not read."""
    for file in files:
        try:
            file.path.encode()
            odd = not file.path.isprintable() or "\\" in file.path
        except UnicodeEncodeError:
            odd = True
        if odd or not _NO_NAMES.isdisjoint(file.path.split("/")):
            raise SourceError(f"{where}: a path that can't be used: {file.path!a}; leave it out with 'files'")
        if not file.path.endswith(FORMATS):
            raise SourceError(f"{where}: {file.path}: expected a name ending in one of {', '.join(FORMATS)}")


def _check_alike(where: str, files: Sequence[HubFile]) -> None:
    """Raise SourceError unless files are of one format and none of another split than the one to train on."""
    kinds = Counter(
        next(ending for ending in sorted(FORMATS, key=len, reverse=True) if file.path.endswith(ending))
        for file in files
    )
    if len(kinds) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise SourceError(
            f"{where}: files of several formats ({counts}: {_some(files)}); say which with 'files'"
        )
    if other := [file for file in files if _OTHER_SPLIT.search(file.path.lower())]:
        raise SourceError(
            f"{where}: {_some(other)} look like a test or validation split; say which files with 'files'"
        )


def _some(files: Sequence[HubFile]) -> str:
    names = [printable(file.path) for file in in_order(files)[:_MOST_NAMED]]
    more = len(files) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
