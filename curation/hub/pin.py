"""Pinning: a recipe with the commit of every Hub source, and each file's size and SHA-256, written into it.

What stands in the recipe otherwise stays as it was written, comments and order included.
"""

import copy
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from curation.errors import RecipeError
from curation.globs import has_magic
from curation.hub.repository import HubRepository, resolve
from curation.hub.transport import HubHttp
from curation.recipe import PinnedFile
from curation.recipe_reader import parse_recipe
from manifests.disk import write_once

_DEFAULT_REVISION = "main"

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a recipe: keys, and places in lists."""
Edits: TypeAlias = dict[Place, object]


@dataclass(frozen=True, slots=True)
class PinnedSource:
    """A Hub source as it was pinned: the revision that was asked for, the commit that it is now, and its files."""

    name: str
    hub: str
    asked: str
    commit: str
    files: tuple[PinnedFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


def pin(recipe: Path, out: Path, http: HubHttp) -> tuple[PinnedSource, ...]:
    """Write the recipe to `out` with commits and files of its Hub sources, in the recipe's order; what was pinned.

    A branch or tag (none: `main`) is resolved; a commit stays, and what an earlier pinning wrote of its files is
    renewed. Paths that count from the recipe's folder are rewritten to count from `out`'s and mean the same files.
    Small files that the Hub states no SHA-256 of are fetched. `out` is written whole or not at all, and replaces
    nothing.

    Raises RecipeError for a recipe that can't be read or has no Hub source, or an `out` that is there or can't be
    written, SourceError when the Hub doesn't give what is needed.
    """
    if os.path.lexists(out):
        raise _exists(out)
    if not out.parent.is_dir():
        raise RecipeError(f"{out.parent}: no such folder; make it, or give another place with --out")
    text, table = _read(recipe)
    edits = _moved_paths(table, recipe, out)
    pinned: list[PinnedSource] = []
    for place, source in enumerate(table["source"]):
        if "hub" in source:
            pinned.append(_pin_source(source, http))
            # In this order: each of them is written right behind `hub`.
            edits["source", place, "pinned"] = [
                {"path": file.path, "size": file.size, "sha256": file.sha256} for file in pinned[-1].files
            ]
            edits["source", place, "revision"] = pinned[-1].commit
    if not pinned:
        raise RecipeError(f"{recipe}: none of its sources has 'hub'; there is nothing to pin")
    try:
        written = write_once(out, _edited(text, table, edits, recipe).encode())
    except OSError as error:
        raise RecipeError(
            f"{out}: can't be written ({error.strerror}); give another place with --out"
        ) from error
    if not written:
        raise _exists(out)
    return tuple(pinned)


def _exists(out: Path) -> RecipeError:
    return RecipeError(f"{out}: it exists; pinning replaces no file, give another name with --out")


def _read(recipe: Path) -> tuple[str, dict[str, Any]]:
    """A recipe's text and table. Raises RecipeError as reading a recipe does; what was pinned is not looked at."""
    try:
        text = recipe.read_bytes().decode()
        table = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise RecipeError(f"{recipe}: not TOML ({error}); mend the line it names") from error
    except OSError as error:
        raise RecipeError(f"{recipe}: can't be read ({error.strerror})") from error
    sources = table.get("source")
    unpinned = [
        {key: value for key, value in source.items() if key != "pinned" or "hub" not in source}
        if isinstance(source, dict)
        else source
        for source in (sources if isinstance(sources, list) else [])
    ]
    parse_recipe({**table, "source": unpinned or sources}, recipe.parent, str(recipe))
    return text, table


def _pin_source(source: Mapping[str, Any], http: HubHttp) -> PinnedSource:
    name, hub, asked = source["name"], source["hub"], source.get("revision", _DEFAULT_REVISION)
    commit = resolve(http, name, hub, asked)
    repository = HubRepository(http, name, hub, commit)
    files = tuple(
        PinnedFile(file.path, file.size, file.sha256 or repository.fetch(file).sha256)
        for file in repository.files(source.get("files"))
    )
    return PinnedSource(name, hub, asked, commit, files)


def _moved_paths(table: Mapping[str, Any], recipe: Path, out: Path) -> Edits:
    """The paths that count from the recipe's folder, as they are to be written in `out`."""
    places: list[Place] = [
        ("source", place, "files")
        for place, source in enumerate(table["source"])
        if "files" in source and "hub" not in source
    ]
    against = table.get("decontaminate", {}).get("against", [])
    places += [("decontaminate", "against", place) for place in range(len(against))]
    # Real paths: `..` behind a link leads elsewhere than the text says.
    way = os.path.relpath(os.path.realpath(recipe.parent), os.path.realpath(out.parent))
    edits: Edits = {}
    for place in places:
        path = _at(table, place)
        if way == os.curdir or Path(path).is_absolute():
            continue
        if has_magic(way):
            raise RecipeError(
                f"{recipe}: {path!r} counts from its folder, and the way there from {out.parent} would read as a glob; "
                "write the pinned recipe beside it"
            )
        edits[place] = f"{way}/{path}"
    return edits


def _at(table: Any, place: Place) -> Any:
    for key in place:
        table = table[key]
    return table


def _edited(text: str, table: dict[str, Any], edits: Edits, recipe: Path) -> str:
    """The text of a recipe after the edits. Raises RecipeError if its table would be another than that.

    What was there is replaced where it stands; `revision` and `pinned` come after `hub`, on lines of their own.
    """
    expected = copy.deepcopy(table)
    for place, value in edits.items():
        _at(expected, place[:-1])[place[-1]] = value
    try:
        document = tomlkit.parse(text)
        in_order = (
            tomlkit.dumps(document) == text
        )  # tables that are written apart are put together by tomlkit
        for place, value in edits.items():
            _put(_at(document, place[:-1]), place[-1], value)
        edited = tomlkit.dumps(document)
        right = tomllib.loads(edited, parse_float=Decimal) == expected and in_order
    except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError):
        right = False
    if not right:
        raise RecipeError(
            f"{recipe}: its tables stand in an order that can't be written into; put each source's keys together "
            "under one [[source]]"
        )
    return edited


def _put(table: Any, key: str | int, value: object) -> None:
    if isinstance(value, str) and (key in table or isinstance(key, int)):
        table[key] = value
        return
    if isinstance(table, InlineTable):
        table[str(key)] = _item(value, " ", "")
        return
    # A public way to insert a key there is none; but what follows a value's line is written as it stands.
    before = table["revision" if "revision" in table else "hub"].trivia
    line_end = "\r\n" if before.trail.startswith("\r\n") else "\n"
    item = _item(value, f"{line_end}    ", f",{line_end}")
    if key in table:
        table[key] = item
    else:
        before.trail = f"{line_end}{key} = {item.as_string()}{before.trail}"


def _item(value: object, before: str, after: str) -> Any:
    """A text, or a list of tables each between `before` and `after`, as TOML."""
    if not isinstance(value, list):
        return tomlkit.item(value)
    tables = [tomlkit.inline_table() for _ in value]
    for table, entries in zip(tables, value, strict=True):
        table.update(entries)
    lines = [f"{before}{table.as_string()}" for table in tables]
    text = f"{','.join(lines)}{after}"
    return tomlkit.parse(f"value = [{text}]")["value"]
