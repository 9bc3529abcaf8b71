"""What crosses the links between devices, read from a compiled program's text (HLO). Pure.

For each collective the bytes that one device sends, by the ring algorithms that reach the lower bound (Chan et al.,
"Collective communication: theory, practice, and experience", 2007), for g devices in a group and B bytes of the whole:

all-reduce          2·B·(g-1)/g
all-gather          B·(g-1)/g, B what it gives
reduce-scatter      B·(g-1)/g, B what it takes
all-to-all          B·(g-1)/g
collective-permute  B
"""

import math
import re
from collections import Counter
from typing import TypeAlias

Sent: TypeAlias = dict[tuple[str, str], float]
"""Bytes by kind of a collective and the chain that it is in; empty where it is in none."""

WIDTHS = {
    "pred": 1, "s4": 0.5, "u4": 0.5, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "s64": 8, "u64": 8,
    "f8e4m3fn": 1, "f8e5m2": 1, "bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 8,
}  # fmt: skip

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{\s*$")
_COLLECTIVE = re.compile(rf"= (?P<shape>.*?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(")
_CHAIN = re.compile(r'\bchain_id="(\d+)"')
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_CONTEXT = (("u32", ""), ("s32", ""))
_LISTED = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_COUNTED = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
_CALLED = re.compile(
    r"(?:to_apply|calls|body|branch_computations|true_computation|false_computation)=\{?((?:%?[\w.-]+(?:, ?)?)+)"
)
_GOING_ON = re.compile(
    r" async-(?:update|done)\("
)  # of what was started: it names the same computation again
_LOOP = re.compile(r" while\(.*?condition=%?([\w.-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_LIMIT = re.compile(r" constant\((\d+)\)")


def link_bytes(text: str, devices: int) -> dict[str, float]:
    """Bytes that one of `devices` sends in a run of the program, by kind of collective, kinds in alphabetical order.

    The body of a loop counts for each of its trips: as the compiler notes them, or the one number that its condition
    compares with. What is in a chain counts once, however often it is written: libtpu lets a collective run beside
    other work by noting it again in each of the fusions that it passes through. Raises `NotImplementedError` for a
    collective in a loop whose trips are not to be found.
    """
    computations, entry = _computations(text)

    def total(name: str, callers: tuple[str, ...] = ()) -> Sent:
        result: Sent = {}
        if name in callers:
            return result
        for line in computations.get(name, ()):
            if found := _COLLECTIVE.search(line):
                size = _bytes(found["shape"], pair=bool(found["start"]) and found["kind"] != "all-reduce")
                sent = _sent(found["kind"], size, _group(line, devices))
                chain = _CHAIN.search(line)
                _add(result, {(found["kind"], chain[1] if chain else ""): sent})
            if _GOING_ON.search(line):
                continue
            called: Sent = {}
            for names in _CALLED.findall(line):
                for inner in re.findall(r"[\w.-]+", names):
                    _add(called, total(inner, (*callers, name)))
            if called:
                trips = _trips(line, computations)
                _add(result, {collective: sent * trips for collective, sent in called.items()})
        return result

    kinds: Counter[str] = Counter()
    for (kind, _), sent in total(entry).items():
        kinds[kind] += sent  # type: ignore[assignment]
    return {kind: float(sent) for kind, sent in sorted(kinds.items())}


def _add(collectives: Sent, more: Sent) -> None:
    for collective, sent in more.items():
        before = collectives.get(collective, 0.0)
        collectives[collective] = max(before, sent) if collective[1] else before + sent


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    """The lines of each computation of a module, and the name of the first one to run."""
    computations: dict[str, list[str]] = {}
    current, entry = "", ""
    for line in text.splitlines():
        if found := _COMPUTATION.match(line):
            current = found[1]
            entry = current if line.startswith("ENTRY") else entry
        else:
            computations.setdefault(current, []).append(line)
    return computations, entry


def _trips(line: str, computations: dict[str, list[str]]) -> int:
    loop = _LOOP.search(line)
    if loop is None:
        return 1
    if known := _TRIPS.search(line):
        return int(known[1])
    limits = [limit for inner in computations.get(loop[1], ()) for limit in _LIMIT.findall(inner)]
    if len(limits) != 1:
        raise NotImplementedError(f"a collective in a loop whose trips are not to be found: {loop[1]}")
    return int(limits[0])


def _bytes(shape: str, *, pair: bool) -> float:
    """Bytes of a result. Where an operation is only started it is a `pair`: its operands, then its results.

    Numbers that go with a pair, of one place each and at its end, are the compiler's own. An all-reduce that is started
    gives its results alone.
    """
    arrays = [(kind, sizes) for kind, sizes in _ARRAY.findall(shape) if kind in WIDTHS]
    while pair and len(arrays) > 2 and arrays[-1] in _CONTEXT:  # noqa: PLR2004 - an operand and a result
        arrays.pop()
    sizes = [
        WIDTHS[kind] * math.prod(int(size) for size in sizes.split(",") if size) for kind, sizes in arrays
    ]
    return sum(sizes[len(sizes) // 2 :] if pair else sizes)


def _group(line: str, devices: int) -> int:
    if found := _COUNTED.search(line):
        return int(found[2])
    if (found := _LISTED.search(line)) and found[1]:
        return len(found[1].split(","))
    return devices


def _sent(kind: str, size: float, group: int) -> float:
    if kind == "collective-permute":
        return size
    if kind == "all-reduce":
        return 2 * size * (group - 1) / group
    if kind == "reduce-scatter":
        return size * (group - 1)
    return size * (group - 1) / group
