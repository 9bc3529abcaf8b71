"""What happened to a manifest.json that is not the one of its id: which byte, which field, proven by the id. Pure."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TypeAlias

from manifests.canonical import canonical_bytes
from manifests.diagnosis.faults import Fault, plain
from manifests.diagnosis.flips import flipped_bit
from manifests.errors import FormatError
from manifests.words import count, cut

FILE = "manifest.json"
Path: TypeAlias = tuple[str | int, ...]
Substitution: TypeAlias = Mapping[Path, object]
LARGEST_SEARCHED = 1 << 20  # bytes of a document whose fields are looked into
_MOST_TRIED = 256 << 20  # bytes of documents made to try values of fields: 13,000 for one of 20 KB
_MISSING = object()
_AROUND = 20  # bytes shown on either side of one
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def document_fault(
    data: bytes, identifier: str, recomputed: Substitution, others: Sequence[str]
) -> tuple[Fault, bytes | None]:
    """What is wrong with the bytes of a `manifest.json` whose SHA-256 is not `identifier`; the true bytes if proven.

    Tried in this order, each held against the id: one bit turned (up to 16 KiB); and, up to 1 MiB, another layout of
    the same values, `recomputed` (values of fields by path) in the place of what is stated, together and one by one,
    and every number of the ledger that conservation contradicts; of these as many as make up 256 MiB of documents.
    `others` are the ids of the store's manifests.
    """
    observed = hashlib.sha256(data).hexdigest()
    if observed in others:
        cause = f"the file of manifest {observed[:12]} was put here"
        return Fault(FILE, "it is another manifest's", identifier, observed, cause=cause), None
    if flipped := flipped_bit(data, identifier):
        return _flip_fault(data, *flipped), flipped[1]
    cause = "several fields differ, or one that nothing here can tell; fetch it again"
    unknown = Fault(FILE, "its SHA-256 is not its id", identifier, observed, cause=cause)
    if len(data) > LARGEST_SEARCHED:
        return unknown, None
    if layout := _layout(data, identifier):
        what = "the same values, written another way"
        return Fault(FILE, what, identifier, observed, cause=f"proven: {layout[0]}"), layout[1]
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        cause = "the file is cut short or damaged in more than one bit; fetch it again"
        return Fault(FILE, f"it is not JSON: {plain(error)}", identifier, observed, cause=cause), None
    for substitution in islice(_substitutions(value, recomputed), _MOST_TRIED // max(1, len(data))):
        true = _bytes_of(_substituted(value, substitution))
        if true is not None and hashlib.sha256(true).hexdigest() == identifier:
            return _field_fault(value, substitution), true
    return unknown, None


def _flip_fault(data: bytes, place: int, true: bytes) -> Fault:
    path = field_at(json.loads(true), place)
    try:
        stored = _shown(_lookup(json.loads(data), path))
    except (ValueError, RecursionError):
        stored = None
    expected = _shown(_lookup(json.loads(true), path))
    if stored is None or stored == expected:  # the turned bit is in what stands around values
        stored, expected = (_excerpt(text, place) for text in (data, true))
    where = f"{FILE}, byte {place + 1:,}, field {_path_text(path)}"
    cause = "proven: one bit of it was turned, by a disk, a memory or a copy"
    return Fault(where, "a byte differs", expected, stored, 1, len(data), cause)


def _field_fault(value: object, substitution: Substitution) -> Fault:
    first = next(iter(substitution))
    cause = "proven: with the value recomputed from the tables or the ledger the id is right; the field was changed"
    return Fault(
        f"{FILE}, field {_path_text(first)}",
        "the stated value is not the true one"
        if len(substitution) == 1
        else f"{count(len(substitution), 'field')} differ",
        _shown(substitution[first]),
        _shown(_lookup(value, first)),
        len(substitution),
        None,
        cause,
    )


def _layout(data: bytes, identifier: str) -> tuple[str, bytes] | None:
    tries: list[tuple[str, bytes]] = [
        ("bytes were added at its end", data.rstrip()),
        ("a tool put a byte order mark in front", data.removeprefix(_BYTE_ORDER_MARK)),
    ]
    with suppress(FormatError, ValueError, RecursionError):
        tries.append(("a tool formatted it anew", canonical_bytes(json.loads(data))))
    return next((one for one in tries if hashlib.sha256(one[1]).hexdigest() == identifier), None)


def _substitutions(value: object, recomputed: Substitution) -> Iterator[Substitution]:
    wrong = {path: true for path, true in recomputed.items() if _lookup(value, path) != true}
    if wrong:
        yield wrong
        for path, true in wrong.items():
            yield {path: true}
    for path, true in _by_conservation(value):
        yield {path: true}


def _by_conservation(value: object) -> Iterator[tuple[Path, int]]:
    """What a number of the ledger would be by those beside it, where that is not what it is."""
    ledger = _lookup(value, ("ledger",))
    for place, source in enumerate(ledger if isinstance(ledger, list) else []):
        stages = _lookup(source, ("stages",))
        numbers = [_numbers(stage) for stage in stages] if isinstance(stages, list) else []
        for number, stage in enumerate(numbers):
            at: Path = ("ledger", place, "stages", number)
            if stage is None:
                continue
            entered, left, dropped = stage
            before = numbers[number - 1] if number else None
            after = numbers[number + 1] if number + 1 < len(numbers) else None
            likely: list[tuple[Path, int]] = [((*at, "in"), left + sum(dropped.values()))]
            likely += [((*at, "in"), before[1])] if before else []
            likely += [((*at, "out"), after[0])] if after else []
            likely += [((*at, "out"), entered - sum(dropped.values()))]
            likely += [
                ((*at, "dropped", reason), entered - left - sum(dropped.values()) + rows)
                for reason, rows in dropped.items()
            ]
            yield from ((path, true) for path, true in likely if _lookup(value, path) != true)


def _numbers(stage: object) -> tuple[int, int, dict[str, int]] | None:
    match stage:
        case {"in": int(entered), "out": int(left), "dropped": dict(dropped)}:
            if all(isinstance(rows, int) for rows in dropped.values()):
                return entered, left, dropped
    return None


def _substituted(value: object, substitution: Substitution, at: Path = ()) -> object:
    if at in substitution:
        return substitution[at]
    if not any(path[: len(at)] == at for path in substitution):
        return value
    if isinstance(value, dict):
        return {key: _substituted(item, substitution, (*at, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_substituted(item, substitution, (*at, place)) for place, item in enumerate(value)]
    return value


def _bytes_of(value: object) -> bytes | None:
    try:
        return canonical_bytes(value)
    except (FormatError, ValueError, RecursionError):
        return None


def field_at(value: object, place: int) -> Path:
    """The path of the field that holds the byte at `place` of a value's canonical bytes."""
    at: Path = ()
    start = 0
    while isinstance(value, dict | list) and value:
        items: list[tuple[str | int, object]] = (
            sorted(value.items()) if isinstance(value, dict) else list(enumerate(value))
        )
        start += 1  # the bracket
        for key, item in items:
            name = len(canonical_bytes(key)) + 1 if isinstance(value, dict) else 0
            end = start + name + len(canonical_bytes(item)) + 1
            if place < end or key == items[-1][0]:
                break
            start = end
        at = (*at, key)
        if place < start + name or place >= end - 1:
            break
        start, value = start + name, item
    return at


def _lookup(value: object, path: Path) -> object:
    for key in path:
        match value, key:
            case dict(), _ if key in value:
                value = value[key]
            case list(), int() if key < len(value):
                value = value[key]
            case _:
                return _MISSING
    return value


def _path_text(path: Path) -> str:
    names = [str(key + 1) if isinstance(key, int) else key for key in path]
    return cut(".".join(names), 200) or "(the whole)"


def _shown(value: object) -> str | None:
    return None if value is _MISSING else cut(json.dumps(value, sort_keys=True))


def _excerpt(data: bytes, place: int) -> str:
    return repr(data[max(0, place - _AROUND) : place + _AROUND])[1:]
