"""The likeliest causes of a difference between two manifests, each a sentence. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from manifests.diff.fields import Change, shown
from manifests.diff.rows import RowsDifference
from manifests.identity import Identity, SourceRecord
from manifests.words import count, cut

MOST_NAMED = 3
_SOURCE_DOTS = 2
_DEFAULT_SEED = 42  # FORMAT.md, section 6
Changes = Mapping[str, Sequence[Change]]


def likely_causes(first: Identity, second: Identity, rows: RowsDifference, changes: Changes) -> list[str]:
    """What made the manifests differ: the likeliest first, never empty. A verdict on the rows opens the first."""
    if first.id == second.id:
        return ["the same manifest"]
    if rows.same_rows and rows.same_order:
        what = "same rows in the same order"
        moved = _moved(first, second, "only the source files' bytes differ")
        return _opened(what, [*moved, *_recipe(changes), *_elsewhere(rows, changes)])
    if rows.same_rows:
        return _opened("order only", [*_order(first, second, changes), *_recipe(changes)])
    what = "the same texts under other row numbers" if rows.same_contents else ""
    moved = _moved(first, second, "source moved: other bytes")
    both = {source.name for source in first.sources if second.source(source.name) is not None}
    found = [*_new_sources(first, second), *moved, *_recipe(changes), *_parents(changes)]
    found += [*_detectors(changes), *_decisions(rows, both), *_order(first, second, {})]
    return _opened(what or "other rows", found)


def _opened(what: str, causes: Sequence[str]) -> list[str]:
    told = list(dict.fromkeys(causes)) or ["nothing in the identities says why"]
    return [f"{what}: {told[0]}", *told[1:]]


def _new_sources(first: Identity, second: Identity) -> Iterator[str]:
    names = [[source.name for source in identity.sources] for identity in (first, second)]
    for side, ours, theirs in (("A", names[0], names[1]), ("B", names[1], names[0])):
        if alone := [name for name in ours if name not in theirs]:
            yield f"only {side} has {_named(alone)}"


def _moved(first: Identity, second: Identity, bytes_words: str) -> Iterator[str]:
    """What became of the files and origins of the sources that both have."""
    words = {
        "origin": "source moved: {} comes from another place",
        "revision": "source moved: {} at another revision",
        "bytes": f"{bytes_words}, of {{}}",
        "names": "the same files have other names, of {}",
        "rows": "the same files hold other row numbers, of {}",
    }
    changed: dict[str, list[str]] = {what: [] for what in words}
    for ours in first.sources:
        if (theirs := second.source(ours.name)) is not None:
            for what in _changes_of(ours, theirs):
                changed[what].append(ours.name)
    for what, names in changed.items():
        if names:
            yield words[what].format(_named(names))


def _changes_of(ours: SourceRecord, theirs: SourceRecord) -> Iterator[str]:
    if ours.hub != theirs.hub:
        yield "revision" if ours.hub and theirs.hub and ours.hub[0] == theirs.hub[0] else "origin"
    if _digests(ours) != _digests(theirs):
        yield "bytes"
    elif [file.path for file in ours.files] != [file.path for file in theirs.files]:
        yield "names"
    elif ours.files != theirs.files or ours.before != theirs.before:
        yield "rows"


def _digests(source: SourceRecord) -> list[str]:
    return [file.sha256 for file in source.files]


def _recipe(changes: Changes) -> Iterator[str]:
    # A source that only one has is told by itself.
    told = [
        one
        for one in changes.get("recipe", ())
        if not _is_source(one.where) or None not in {one.first, one.second}
    ]
    for change in told[:MOST_NAMED]:
        yield f"the recipe: {shown(change).removeprefix('recipe.')}"
    if len(told) > MOST_NAMED:
        yield f"the recipe: {count(len(told) - MOST_NAMED, 'other key')}"


def _is_source(where: str) -> bool:
    return where.startswith("recipe.source.") and where.count(".") == _SOURCE_DOTS


def _order(first: Identity, second: Identity, changes: Changes) -> Iterator[str]:
    if first.order != second.order:
        yield f"another order, {cut(first.order)} → {cut(second.order)}"
    seeds = [identity.recipe.get("seed", _DEFAULT_SEED) for identity in (first, second)]
    if seeds[0] != seeds[1]:
        yield f"other seed, {cut(str(seeds[0]))} → {cut(str(seeds[1]))}"
    names = [[source.name for source in identity.sources] for identity in (first, second)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        yield "the recipe lists its sources in another order"
    draws = [
        change for change in changes.get("algorithms", ()) if change.where.startswith("algorithms.takes.")
    ]
    for change in draws[:MOST_NAMED]:
        yield f"another draw, {shown(change).removeprefix('algorithms.takes.')}"


def _parents(changes: Changes) -> Iterator[str]:
    for side, told in (
        ("A", [change for change in changes.get("parents", ()) if change.second is None]),
        ("B", [change for change in changes.get("parents", ()) if change.first is None]),
    ):
        if told:
            yield f"only {side} has the {'parents' if len(told) > 1 else 'parent'} {_named(_ids(told))}"


def _ids(parents: Sequence[Change]) -> list[str]:
    texts = [change.where.removeprefix("parents.") for change in parents]
    return [
        f"{identifier[:12]} ({relation})"
        for relation, _, identifier in (text.partition(" ") for text in texts)
    ]


def _detectors(changes: Changes) -> Iterator[str]:
    if told := [change.where.split(".")[1] for change in changes.get("detectors", ()) if "." in change.where]:
        yield f"another language detector, of {_named(list(dict.fromkeys(told)))}"


def _decisions(rows: RowsDifference, sources: Collection[str]) -> Iterator[str]:
    """Of each of these sources the first stage that decided otherwise, the source with most such rows first."""
    firsts = {
        decision.source: decision for decision in reversed(rows.decisions) if decision.source in sources
    }
    for decision in sorted(firsts.values(), key=lambda one: (-one.only_first - one.only_second, one.source)):
        parts = [
            f"{count(number, 'row')} of {decision.source} left at {decision.stage} in {side}"
            for side, number in (("B", decision.only_second), ("A", decision.only_first))
            if number
        ]
        yield f"filter decision: {' and '.join(parts)}"


def _elsewhere(rows: RowsDifference, changes: Changes) -> Iterator[str]:
    yield from _parents(changes)
    yield from _detectors(changes)
    yield from _decisions(rows, {decision.source for decision in rows.decisions})
    for section in ("algorithms", "decontamination", "ledger"):
        if section in changes:
            yield f"only {section} differ, first {shown(changes[section][0])}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
