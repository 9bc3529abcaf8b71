"""The tables of a recipe that say what a stage does: take, language, near, length, decontaminate."""

import re
from decimal import Decimal

from curation.language.scripts import SCRIPTS
from curation.recipe import FIELDS, Decontaminate, Language, Near, Take
from curation.toml_table import Table

_LANGUAGE = re.compile("[a-z]{2}(-[a-z]{2})?")
_FIELDS_ALLOWED = f"a list of some of {', '.join(FIELDS)}"
_LONGEST_RUN = 1_000  # words
_MOST_HASHES = 1_000
_MOST_WINDOWS = 1_000


def read_take(table: Table) -> Take:
    """Which rows to draw."""
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


def read_language(table: Table) -> Language | None:
    """The language a trace must be in, if one is asked for."""
    value = table.values.get("language")
    if value is None:
        return None
    if isinstance(value, str):
        value = {"is": value}
    if not isinstance(value, dict):
        raise table.wrong(
            "language", value, 'a code such as "en", or a table with is, by, min, on, windows, without'
        )
    where = f"{table.where}: language"
    if value.get("by") == "script":
        language = Table(value, where, ("is", "by", "on", "without"))
        code = language.optional("is", str)
        if code not in {None, "en"}:
            raise language.wrong(
                "is", code, "\"en\" or nothing: by script, only the scripts in 'without' count"
            )
        without: tuple[str, ...] = ("Han",)
        if "without" in value:
            without = language.texts("without", f"a list of some of {', '.join(SCRIPTS)}", tuple(SCRIPTS))
        if "on" in value and table.values.get("draw") == "raw":
            raise language.wrong(
                "on", value["on"], "no 'on': before a raw draw (draw = \"raw\") whole raw rows are looked at"
            )
        return Language(code or "", "script", on=_fields(language), without=without)
    language = Table(value, where, ("is", "by", "min", "on", "windows"))
    code = language.optional("is", str)
    if code is None or not _LANGUAGE.fullmatch(code):
        raise language.wrong("is", code, 'the code of a language, as in "en"')
    language.choice("by", ("langdetect", "script"))
    windows = language.count("windows", least=2, most=_MOST_WINDOWS) if "windows" in value else 0
    return Language(
        code, minimum=language.share("min", Decimal("0.5")), on=_fields(language), windows=windows
    )


def read_length(table: Table) -> int | None:
    """The most characters a trace may have, if there is a limit."""
    if "length" not in table.values:
        return None
    return table.table("length", ("max_chars",)).count("max_chars", least=1)


def read_near(table: Table) -> Near | None:
    """When traces are near duplicates, if such are to be dropped."""
    if "near" not in table.values:
        return None
    near = table.table("near", ("threshold", "words", "bands", "rows", "on"))
    default = Near()
    threshold = near.share("threshold", default.threshold)
    if not threshold:
        raise near.wrong("threshold", threshold, "a share above 0.0, at most 1.0")
    found = Near(
        threshold,
        near.count("words", least=1, most=_LONGEST_RUN, default=default.words),
        near.count("bands", least=1, most=_MOST_HASHES, default=default.bands),
        near.count("rows", least=1, most=_MOST_HASHES, default=default.rows),
        _fields(near),
    )
    if found.bands * found.rows > _MOST_HASHES:
        raise near.wrong("bands", found.bands, f"bands × rows of at most {_MOST_HASHES:,}")
    return found


def read_decontaminate(top: Table) -> Decontaminate | None:
    """Which evaluation questions no prompt may contain, if any."""
    if "decontaminate" not in top.values:
        return None
    table = top.table("decontaminate", ("against", "column", "words", "min"))
    default = Decontaminate(())
    column = table.values.get("column", default.column)
    if not isinstance(column, str | int) or isinstance(column, bool) or not column:
        raise table.wrong(
            "column", column, "the name of a column, or its number from 1 where there is no header"
        )
    if isinstance(column, int):
        column = table.count("column", least=1)
    minimum = table.share("min", default.minimum)
    if not minimum:
        raise table.wrong("min", minimum, "a share above 0.0, at most 1.0")
    return Decontaminate(
        table.texts("against", "a list of paths or globs of files with questions"),
        column,
        table.count("words", least=1, most=_LONGEST_RUN, default=default.words),
        minimum,
    )


def _fields(table: Table) -> tuple[str, ...]:
    return table.texts("on", _FIELDS_ALLOWED, FIELDS) if "on" in table.values else FIELDS
