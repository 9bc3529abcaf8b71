"""Recipes from TOML: every key checked before any row is read. FORMAT.md says what they mean."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from curation.errors import RecipeError
from curation.recipe import (
    DEFAULT_MAX_DROP,
    DEFAULT_MAX_EXPANSION,
    DEFAULT_MAX_ROW_BYTES,
    DEFAULT_SEED,
    FIELDS,
    Columns,
    Disjoint,
    Expect,
    PinnedFile,
    Recipe,
    SourceRecipe,
    Tags,
)
from curation.recipe_stages import read_decontaminate, read_language, read_length, read_near, read_take
from curation.toml_table import Table
from manifests.canonical import decimal_text
from manifests.keys import LARGEST_SEED

SHIPPED = Path(__file__).parent / "recipes"

_TOP = ("name", "seed", "order", "sketch", "source", "disjoint", "continue", "decontaminate")
_SELECTING_SOURCE = (
    *("name", "header", "columns", "tags", "max_row_bytes", "rows", "draw"),
    *("language", "length", "duplicates", "near", "take"),
)
_SOURCE = (
    *("files", "hub", "revision", "pinned", "license", "max_expansion", "expect", "max_drop"),
    *_SELECTING_SOURCE,
)
_SELECTING_TOP = ("order", "seed", "sketch")
_LONGEST_LICENSE = 100  # characters
_LARGEST_LIMIT = 1 << 30  # bytes of a row
_LARGEST_EXPANSION = 1_000_000
_SHA256 = re.compile("[0-9a-f]{64}")


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
    top = Table(table, where, _TOP)
    entries = top.list_of_tables("source")
    sources = tuple(
        _source(Table(entry, f"{where}: source {place}", _SOURCE)) for place, entry in enumerate(entries, 1)
    )
    names = [source.name for source in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(f"{where}: two sources are called {twice[0]!r}; each needs a name of its own")
    disjoint = _disjoint(top)
    selecting: dict[str, object] = {key: table[key] for key in _SELECTING_TOP if key in table}
    selecting["source"] = [
        {key: entry[key] for key in _SELECTING_SOURCE if key in entry} for entry in entries
    ]
    decontaminate = read_decontaminate(top)
    # Which manifests and which files they are stands in the identity by what they hold, not by their names.
    for name, apart in (("disjoint", "from"), ("decontaminate", "against")):
        if given := top.optional(name, dict):
            selecting[name] = {key: value for key, value in given.items() if key != apart}
    return Recipe(
        name=top.name(),
        folder=folder,
        sources=sources,
        selecting=_plain(selecting),
        seed=top.seed("seed", DEFAULT_SEED),
        mixed=top.choice("order", ("mixed", "sequential")) == "mixed",
        disjoint=disjoint,
        continues=_references(top.table("continue", ("from",))) if "continue" in table else (),
        decontaminate=decontaminate,
        sketch=top.optional("sketch", bool) is True,
    )


@dataclass(frozen=True, slots=True)
class Form:
    """How the rows of a source are read: what regenerating needs of its recipe."""

    columns: Columns
    tags: Tags | None
    header: bool
    max_row_bytes: int


def read_form(recipe: Mapping[str, object], source: str, where: str) -> Form:
    """The form of one source, from the recipe that stands in a manifest."""
    entries = Table(recipe, f"{where}: recipe", tuple(recipe)).list_of_tables("source")
    for entry in entries:
        if entry.get("name") == source:
            return _form(Table(entry, f"{where}: source {source}", _SELECTING_SOURCE))
    raise RecipeError(f"{where}: its recipe has no source {source!r}; the manifest is damaged")


def _form(table: Table) -> Form:
    header = table.optional("header", bool) is not False
    columns = _columns(table, header=header)
    if not columns.tagged and "tags" in table.values:
        raise table.wrong("tags", table.values["tags"], "columns for prompt and response to go with it")
    largest = table.count("max_row_bytes", least=1, most=_LARGEST_LIMIT, default=DEFAULT_MAX_ROW_BYTES)
    return Form(columns, _tags(table) if columns.tagged else None, header, largest)


def _source(table: Table) -> SourceRecipe:
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
    if revision == "":
        raise table.wrong(
            "revision", revision, "a commit, 40 hex digits (or a branch, for 'curation pin' to resolve)"
        )
    form = _form(table)
    return SourceRecipe(
        name=name,
        columns=form.columns,
        tags=form.tags,
        files=files,
        hub=hub,
        revision=revision,
        license=_license(table),
        header=form.header,
        pinned=_pinned(table),
        rows=_rows(table),
        draw_raw=table.choice("draw", ("filtered", "raw")) == "raw",
        language=read_language(table),
        max_chars=read_length(table),
        keep_duplicates=table.choice("duplicates", ("drop", "keep")) == "keep",
        near=read_near(table),
        take=read_take(table),
        expect=_expect(table),
        max_drop=table.share("max_drop", DEFAULT_MAX_DROP),
        max_row_bytes=form.max_row_bytes,
        max_expansion=table.count(
            "max_expansion", least=1, most=_LARGEST_EXPANSION, default=DEFAULT_MAX_EXPANSION
        ),
    )


def _license(table: Table) -> str | None:
    text = table.optional("license", str)
    if text is not None and not (text.isprintable() and 0 < len(text) <= _LONGEST_LICENSE):
        raise table.wrong(
            "license", text, 'an SPDX id such as "Apache-2.0", or other words: 1 to 100 printable characters'
        )
    return text


def _pinned(table: Table) -> tuple[PinnedFile, ...]:
    if "pinned" not in table.values:
        return ()
    if "hub" not in table.values:
        raise table.wrong(
            "pinned", table.values["pinned"], "a 'hub' to go with it; local files are not pinned"
        )
    files = []
    for place, entry in enumerate(table.list_of_tables("pinned"), 1):
        file = Table(entry, f"{table.where}: pinned {place}", ("path", "size", "sha256"))
        path, sha256 = (file.optional(key, str) for key in ("path", "sha256"))
        if not path:
            raise file.wrong("path", path, "the path of a file in the repository")
        if sha256 is None or not _SHA256.fullmatch(sha256):
            raise file.wrong("sha256", sha256, "64 hex digits")
        files.append(PinnedFile(path, file.count("size", least=0), sha256))
    return tuple(files)


def _columns(table: Table, *, header: bool) -> Columns:
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


def _tags(table: Table) -> Tags:
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


def _rows(table: Table) -> tuple[int, int] | None:
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


def _expect(table: Table) -> Expect:
    if "expect" not in table.values:
        return Expect()
    expect = table.table("expect", ("min", "rows"))
    if len(expect.values) != 1:
        raise table.wrong("expect", table.values["expect"], "{ min = N } or { rows = N }")
    if "min" in expect.values:
        return Expect(minimum=expect.count("min", least=0))
    return Expect(rows=expect.count("rows", least=0))


def _disjoint(top: Table) -> Disjoint | None:
    if "disjoint" not in top.values:
        return None
    disjoint = top.table("disjoint", ("from", "on_overlap"))
    return Disjoint(_references(disjoint), drop=disjoint.choice("on_overlap", ("drop", "error")) == "drop")


def _references(table: Table) -> tuple[str, ...]:
    references = table.values.get("from")
    if (
        not isinstance(references, list)
        or not references
        or not all(isinstance(name, str) for name in references)
    ):
        raise table.wrong("from", references, "a list of manifests: names, name:version or ids")
    return tuple(references)


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
