"""What two identities and two receipts say, field by field. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from manifests.identity import Identity
from manifests.manifest import Manifest
from manifests.words import cut

SECTIONS = ("recipe", "sources", "algorithms", "detectors", "decontamination", "parents", "ledger")
_LABELS = ("name", "source", "stage", "path")  # keys whose value names an object of a list


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs: where it stands, and its value on both sides as JSON, None where it is not there.

    Objects of a list are named by their name, source, stage or path.
    """

    where: str
    first: str | None
    second: str | None


def compare_identities(first: Identity, second: Identity) -> dict[str, list[Change]]:
    """The changes by section of the identity, in `SECTIONS`' order; sections without any are left out."""
    ours, theirs = (json.loads(identity.data) for identity in (first, second))
    for value in (ours, theirs):
        value["parents"] = {f"{parent['relation']} {parent['id']}": "yes" for parent in value["parents"]}
    found = {
        section: changes(ours.get(section, _ABSENT), theirs.get(section, _ABSENT), section)
        for section in SECTIONS
    }
    return {section: changed for section, changed in found.items() if changed}


def compare_tools(first: Manifest, second: Manifest) -> list[Change]:
    """The changes of the tools' versions, as the receipts state them."""
    return changes(first.receipt.get("tools", {}), second.receipt.get("tools", {}), "tools")


def changes(first: object, second: object, where: str) -> list[Change]:
    """The smallest parts that differ between two JSON values, by path; what only one has is one change as a whole."""
    return list(_changes(first, second, where))


_ABSENT = object()


def _changes(first: object, second: object, where: str) -> Iterator[Change]:
    ours, theirs = _named(first), _named(second)
    if ours is not None and theirs is not None:
        for key in sorted({*ours, *theirs}):
            yield from _changes(ours.get(key, _ABSENT), theirs.get(key, _ABSENT), f"{where}.{key}")
    elif _text(first) != _text(second):
        yield Change(where, _text(first), _text(second))


def _text(value: object) -> str | None:
    return None if value is _ABSENT else json.dumps(value, sort_keys=True)


def _named(value: object) -> Mapping[str, object] | None:
    """The parts of an object, or of a list of objects that have names; None for anything else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    named: dict[str, object] = {}
    for place, item in enumerate(value, 1):
        label = next((str(item[key]) for key in _LABELS if key in item), str(place))
        named[label if label not in named else f"{label} ({place})"] = item
    return named


def shown(change: Change) -> str:
    """A change as one line: where, and both values."""
    ours, theirs = ("not there" if value is None else cut(value) for value in (change.first, change.second))
    return f"{cut(change.where, 160)}: {ours} → {theirs}"
