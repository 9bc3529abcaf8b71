"""What an identity says twice, it must say alike: recipe, ledger, algorithms, parents, files (FORMAT.md, section 8).

The recipe names what was asked for, the ledger what was done, the algorithms how. None of the three is trusted alone.
"""

from collections.abc import Mapping

from manifests.errors import VerificationError
from manifests.identity import DISJOINT, DRAWS, ORDERS, Identity, SourceRecord
from manifests.ledger import SourceLedger
from manifests.reading.recipe_types import check_recipe
from manifests.reading.row_range import raw_range, recipe_entry


def check_consistency(identity: Identity, where: str) -> None:
    """Raise VerificationError at the first thing that an identity says in two ways, FormatError for a false recipe."""
    check = _Check(where)
    recipe = identity.recipe
    check_recipe(recipe, where)
    entries = recipe.get("source")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise VerificationError(f"{where}: recipe: no list of sources; the manifest is damaged")
    names = [source.name for source in identity.sources]
    check.same("sources of the recipe", names, [entry.get("name") for entry in entries])
    check.same("sources of the ledger", names, [ledger.source for ledger in identity.ledger])
    check.same("sources, each named once", len(set(names)), len(names))
    order = recipe.get("order", "mixed")
    check.same("order", ORDERS.get(str(order)), identity.order)
    check.same("sketches", bool(recipe.get("sketch", False)), identity.sketched)
    check.same("decontamination", "decontaminate" in recipe, identity.questions is not None)
    disjoint = any(parent.relation == DISJOINT for parent in identity.parents)
    check.same("disjoint parents", "disjoint" in recipe, disjoint)
    check.same("parents, each named once", len(set(identity.parents)), len(identity.parents))
    for source, ledger in zip(identity.sources, identity.ledger, strict=True):
        _check_source(identity, source, ledger, check)


class _Check:
    """Compares and complains, always in the same words."""

    def __init__(self, where: str) -> None:
        self._where = where

    def same(self, what: str, expected: object, observed: object) -> None:
        if expected != observed:
            raise VerificationError(
                f"{self._where}: {what}: expected {_short(expected)}, found {_short(observed)}; "
                "the manifest contradicts itself, fetch it again"
            )


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 - one line of a terminal


def _check_source(identity: Identity, source: SourceRecord, ledger: SourceLedger, check: _Check) -> None:
    entry, name = recipe_entry(identity, source.name), f"source {source.name}"
    expected = expected_stages(identity, entry)
    check.same(f"{name}: stages", expected, [stage.stage for stage in ledger.stages])
    kind, wanted = _take(entry.get("take", "all"))
    check.same(f"{name}: draw", DRAWS.get(kind), identity.takes.get(source.name))
    taken = next(stage for stage in ledger.stages if stage.stage == "take")
    check.same(f"{name}: rows taken", taken.rows_in if wanted is None else wanted, taken.rows_out)
    check.same(f"{name}: a detector", "language" in entry, source.name in identity.detectors)
    if source.name in identity.detectors:
        check.same(
            f"{name}: detector", _detector(entry["language"]), identity.detectors[source.name].algorithm
        )
    check.same(f"{name}: a search for near duplicates", "near" in entry, source.name in identity.near)
    _check_range(identity, source, ledger, check)


def expected_stages(identity: Identity, entry: Mapping[str, object]) -> list[str]:
    """The stages that a source passes, in their order, as its recipe asks for them (FORMAT.md, section 4)."""
    raw = entry.get("draw") == "raw"
    language = entry.get("language")
    script_first = raw and isinstance(language, dict) and language.get("by") == "script"
    keeps = entry.get("duplicates") == "keep"
    asked = (
        ("rows", True),
        ("language", script_first),
        ("take", raw),
        ("parse", True),
        ("language", language is not None and not script_first),
        ("length", "length" in entry),
        ("decontaminate", "decontaminate" in identity.recipe),
        ("duplicates", not keeps),
        ("near", "near" in entry),
        ("across", not keeps),
        ("disjoint", "disjoint" in identity.recipe),
        ("take", not raw),
    )
    return [stage for stage, wanted in asked if wanted]


def _take(take: object) -> tuple[str, int | None]:
    """The kind of a draw and the number of rows it takes (None: all)."""
    if isinstance(take, dict):
        for kind, rows in take.items():
            if kind != "seed" and isinstance(rows, int):
                return str(kind), rows
    return str(take), None


def _detector(language: object) -> str:
    if not isinstance(language, dict):
        return "langdetect/1"
    if language.get("by") == "script":
        return "script/1"
    return "langdetect-windows/1" if "windows" in language else "langdetect/1"


def _check_range(identity: Identity, source: SourceRecord, ledger: SourceLedger, check: _Check) -> None:
    """The raw range lies in the files, which follow without a gap on those before them."""
    name = f"source {source.name}"
    first, last = raw_range(identity, source)
    first_held = sum(rows for _, rows in source.before) + 1
    check.same(f"{name}: first row of its files", first_held, source.files[0].first_row)
    check.same(f"{name}: last row of its files", last, source.files[-1].last_row)
    check.same(f"{name}: rows of its raw range", last - first + 1, ledger.stages[0].rows_in)
    if not source.files[0].first_row <= first:
        check.same(f"{name}: first row of its range", f"{source.files[0].first_row} or later", first)
