"""Recipes from TOML: every key checked before any row is read. FORMAT.md says what they mean."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from curation.errors import RecipeError
from curation.recipe import (
    DEFAULT_MAX_DROP,
    DEFAULT_SEED,
    FIELDS,
    Columns,
    Disjoint,
    Expect,
    Language,
    Recipe,
    SourceRecipe,
    Tags,
    Take,
)
from manifests.canonical import decimal_text
from manifests.errors import NameNotAllowedError
from manifests.keys import LARGEST_SEED
from manifests.store import check_name

SHIPPED = Path(__file__).parent / "recipes"

_TOP = ("name", "seed", "order", "source", "disjoint")
_SOURCE = (
    *("name", "files", "hub", "revision", "header", "columns", "tags", "rows", "draw"),
    *("language", "duplicates", "take", "expect", "max_drop"),
)
_SELECTING_TOP = ("order", "seed")
_SELECTING_SOURCE = ("name", "header", "columns", "tags", "rows", "draw", "language", "duplicates", "take")
T = TypeVar("T")

_MOST_DECIMALS = 100
_LONGEST_SHOWN = 80  # characters of a wrong value in a message
_COMMIT = re.compile("[0-9a-f]{40}")
_LANGUAGE = re.compile("[a-z]{2}(-[a-z]{2})?")


def find_recipe(wanted: str) -> Path:
    """The file of a recipe given as a path or as the name of one that ships with the project."""
    shipped = SHIPPED / f"{wanted}.toml"
    if "/" not in wanted and shipped.is_file():
        return shipped
    path = Path(wanted)
    if not path.is_file():
        names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
        what = "is a folder" if path.is_dir() else "no such file"
        raise RecipeError(f"recipe {wanted!r}: {what}; give the path of a TOML file or one of {names}")
    return path


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises RecipeError, naming the key, its value and what is allowed, for anything unknown, ill-typed or impossible.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:  # endless numbers and nesting count too
        raise RecipeError(f"{path}: not TOML ({error}); mend the line it names") from error
    except OSError as error:
        raise RecipeError(f"{path}: can't be read ({error.strerror})") from error
    return parse_recipe(table, path.parent, str(path))


def parse_recipe(table: Mapping[str, object], folder: Path, where: str) -> Recipe:
    """The recipe that a parsed TOML table holds; relative `files` count from `folder`."""
    top = _Table(table, where, _TOP)
    entries = top.list_of_tables("source")
    sources = tuple(
        _source(_Table(entry, f"{where}: source {place}", _SOURCE)) for place, entry in enumerate(entries, 1)
    )
    names = [source.name for source in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(f"{where}: two sources are called {twice[0]!r}; each needs a name of its own")
    disjoint = _disjoint(top)
    selecting: dict[str, object] = {key: table[key] for key in _SELECTING_TOP if key in table}
    selecting["source"] = [
        {key: entry[key] for key in _SELECTING_SOURCE if key in entry} for entry in entries
    ]
    if disjoint is not None:
        given = top.optional("disjoint", dict) or {}
        selecting["disjoint"] = {key: given[key] for key in ("on_overlap",) if key in given}
    return Recipe(
        name=top.name(),
        folder=folder,
        sources=sources,
        selecting=_plain(selecting),
        seed=top.seed("seed", DEFAULT_SEED),
        mixed=top.choice("order", ("mixed", "sequential")) == "mixed",
        disjoint=disjoint,
    )


@dataclass(frozen=True, slots=True)
class Form:
    """How the rows of a source are read: what regenerating needs of its recipe."""

    columns: Columns
    tags: Tags | None
    header: bool


def read_form(recipe: Mapping[str, object], source: str, where: str) -> Form:
    """The form of one source, from the recipe that stands in a manifest."""
    entries = _Table(recipe, f"{where}: recipe", tuple(recipe)).list_of_tables("source")
    for entry in entries:
        if entry.get("name") == source:
            return _form(_Table(entry, f"{where}: source {source}", _SELECTING_SOURCE))
    raise RecipeError(f"{where}: its recipe has no source {source!r}; the manifest is damaged")


def _form(table: "_Table") -> Form:
    header = table.optional("header", bool) is not False
    columns = _columns(table, header=header)
    if not columns.tagged and "tags" in table.values:
        raise table.wrong("tags", table.values["tags"], "columns for prompt and response to go with it")
    return Form(columns, _tags(table) if columns.tagged else None, header)


def _source(table: "_Table") -> SourceRecipe:
    name = table.name()
    table.where += f" ({name})"
    files, hub, revision = (table.optional(key, str) for key in ("files", "hub", "revision"))
    if files is None and hub is None:
        raise table.wrong("files", None, "a path or glob of local files (or 'hub', a repository)")
    if files == "" or (hub is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", hub)):
        key = "files" if files == "" else "hub"
        raise table.wrong(key, table.values[key], "a path or glob" if key == "files" else "'owner/name'")
    if hub is None and revision is not None:
        raise table.wrong("revision", revision, "a 'hub' to go with it; local files have no revision")
    if revision is not None and not _COMMIT.fullmatch(revision):
        raise table.wrong("revision", revision, "a commit, 40 hex digits (never a branch)")
    form = _form(table)
    return SourceRecipe(
        name=name,
        columns=form.columns,
        tags=form.tags,
        files=files,
        hub=hub,
        revision=revision,
        header=form.header,
        rows=_rows(table),
        draw_raw=table.choice("draw", ("filtered", "raw")) == "raw",
        language=_language(table),
        keep_duplicates=table.choice("duplicates", ("drop", "keep")) == "keep",
        take=_take(table),
        expect=_expect(table),
        max_drop=_share(table, "max_drop", DEFAULT_MAX_DROP),
    )


def _columns(table: "_Table", *, header: bool) -> Columns:
    columns = table.table("columns", ("prompt", "response", "reasoning", "answer"))
    names = ("prompt", "response") if "response" in columns.values else ("prompt", *FIELDS[1:])
    kind, allowed = (
        (str, "the name of a column") if header else (int, "the number of a column, from 1 (header = false)")
    )
    chosen = []
    for name in names:
        value = columns.values.get(name)
        if (
            not isinstance(value, kind)
            or isinstance(value, bool)
            or value in {"", 0}
            or (isinstance(value, int) and value < 0)
        ):
            raise columns.wrong(name, value, allowed)
        chosen.append(value)
    if extra := [name for name in columns.values if name not in names]:
        raise columns.wrong(
            extra[0], columns.values[extra[0]], "prompt and response, or prompt, reasoning and answer"
        )
    return Columns(tuple(chosen))


def _tags(table: "_Table") -> Tags:
    if "tags" not in table.values:
        return Tags()
    tags = table.table("tags", ("reasoning", "answer"))
    pairs: dict[str, tuple[str, str] | None] = {"reasoning": None, "answer": None}
    for name, value in tags.values.items():
        match value:
            # Overlapping tags could not be told apart, and reasoning to the end of the text leaves no answer.
            case [str(start), str(end)] if start and (
                (start not in end and end not in start) if end else name == "answer"
            ):
                pairs[name] = (start, end)
            case _:
                allowed = 'two different texts, as in ["<think>", "</think>"] (an answer\'s end may be "")'
                raise tags.wrong(name, value, allowed)
    if not tags.values:
        raise table.wrong("tags", {}, "a pair for reasoning, for answer, or both")
    return Tags(pairs["reasoning"], pairs["answer"])


def _rows(table: "_Table") -> tuple[int, int] | None:
    value = table.values.get("rows")
    if value is None:
        return None
    match value:
        case [int(first), int(last)] if 1 <= first <= last <= LARGEST_SEED and bool not in {
            type(first),
            type(last),
        }:
            return first, last
        case _:
            raise table.wrong("rows", value, "[first, last], counted from 1, both included")


def _take(table: "_Table") -> Take:
    value = table.values.get("take", "all")
    if value == "all":
        return Take()
    if not isinstance(value, dict):
        raise table.wrong("take", value, '"all" or a table with one of first, reservoir, shuffle, hash')
    take = table.table("take", ("first", "reservoir", "shuffle", "hash", "seed"))
    kinds = [key for key in take.values if key != "seed"]
    if len(kinds) != 1:
        raise take.wrong(", ".join(kinds) or "take", value, "exactly one of first, reservoir, shuffle, hash")
    seed = take.seed("seed", None) if "seed" in take.values else None
    if seed is not None and kinds[0] == "first":
        raise take.wrong("seed", seed, "no seed: 'first' draws nothing")
    return Take(kinds[0], take.count(kinds[0], least=1), seed)


def _language(table: "_Table") -> Language | None:
    value = table.values.get("language")
    if value is None:
        return None
    if isinstance(value, str):
        value = {"is": value}
    if not isinstance(value, dict):
        raise table.wrong("language", value, 'a code such as "en", or a table with is, by, min, on')
    language = _Table(value, f"{table.where}: language", ("is", "by", "min", "on"))
    code = language.optional("is", str)
    if code is None or not _LANGUAGE.fullmatch(code):
        raise language.wrong("is", code, 'the code of a language, as in "en"')
    language.choice("by", ("langdetect",))
    on = value.get("on", list(FIELDS))
    if (
        not isinstance(on, list)
        or not on
        or any(field not in FIELDS for field in on)
        or len(set(on)) != len(on)
    ):
        raise language.wrong("on", on, f"a list of some of {', '.join(FIELDS)}")
    return Language(code, _share(language, "min", Decimal("0.5")), tuple(on))


def _expect(table: "_Table") -> Expect:
    if "expect" not in table.values:
        return Expect()
    expect = table.table("expect", ("min", "rows"))
    if len(expect.values) != 1:
        raise table.wrong("expect", table.values["expect"], "{ min = N } or { rows = N }")
    if "min" in expect.values:
        return Expect(minimum=expect.count("min", least=0))
    return Expect(rows=expect.count("rows", least=0))


def _share(table: "_Table", key: str, default: Decimal) -> Decimal:
    value = table.values.get(key, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | Decimal)
        or Decimal(value).is_nan()
        or not 0 <= value <= 1
        or -int(Decimal(value).as_tuple().exponent) > _MOST_DECIMALS
    ):
        raise table.wrong(key, value, f"a share from 0.0 to 1.0 with at most {_MOST_DECIMALS} decimals")
    return Decimal(value)


def _disjoint(top: "_Table") -> Disjoint | None:
    if "disjoint" not in top.values:
        return None
    disjoint = top.table("disjoint", ("from", "on_overlap"))
    references = disjoint.values.get("from")
    if (
        not isinstance(references, list)
        or not references
        or not all(isinstance(name, str) for name in references)
    ):
        raise disjoint.wrong("from", references, "a list of manifests: names, name:version or ids")
    return Disjoint(tuple(references), drop=disjoint.choice("on_overlap", ("drop", "error")) == "drop")


def _plain(value: object) -> dict[str, object]:
    """TOML values as they stand in the identity: decimals become strings."""

    def convert(item: object) -> object:
        if isinstance(item, Mapping):
            return {key: convert(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [convert(inner) for inner in item]
        return decimal_text(item) if isinstance(item, Decimal) else item

    plain = convert(value)
    return plain if isinstance(plain, dict) else {}


class _Table:
    """A TOML table that knows where it stands and which keys it may have."""

    def __init__(self, values: Mapping[str, object], where: str, allowed: Sequence[str]) -> None:
        self.values, self.where = values, where
        for key in values:
            if key not in allowed:
                raise RecipeError(f"{where}: unknown key {key!r}; allowed here: {', '.join(allowed)}")

    def wrong(self, key: str, value: object, expected: str) -> RecipeError:
        found = "it is missing" if value is None else f"found {_shown(value)}"
        return RecipeError(f"{self.where}: {key}: expected {expected}; {found}")

    def optional(self, key: str, kind: type[T]) -> T | None:
        value = self.values.get(key)
        if value is not None and not isinstance(value, kind):
            named = {str: "a text", bool: "true or false", dict: "a table"}
            raise self.wrong(key, value, named.get(kind, kind.__name__))
        return value

    def table(self, key: str, allowed: Sequence[str]) -> "_Table":
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, value, f"a table with {', '.join(allowed)}")
        return _Table(value, f"{self.where}: {key}", allowed)

    def list_of_tables(self, key: str) -> list[dict[str, object]]:
        value = self.values.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            raise self.wrong(key, value, f"at least one [[{key}]] table")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        value = self.values.get(key, allowed[0])
        if not isinstance(value, str) or value not in allowed:
            raise self.wrong(key, value, " or ".join(f'"{choice}"' for choice in allowed))
        return value

    def count(self, key: str, least: int) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST_SEED:
            raise self.wrong(key, value, f"a whole number from {least}")
        return value

    def seed(self, key: str, default: int | None) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SEED:
            raise self.wrong(key, value, "a whole number from 0 to 2^63 - 1")
        return value

    def name(self) -> str:
        value = self.optional("name", str)
        if value is None:
            raise self.wrong("name", None, "a name of a-z, 0-9 and -")
        try:
            return check_name(value)
        except NameNotAllowedError as error:
            raise RecipeError(f"{self.where}: {error}") from error


def _shown(value: object) -> str:
    text = decimal_text(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
