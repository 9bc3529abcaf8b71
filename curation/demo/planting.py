"""What the demo sources hold, row by row: fresh traces, and what is planted among them. Pure.

Rows are planned before they are told: a plan is a shuffled list of what each row is to be, so what is planted lies
scattered. A row that repeats another comes later than it, and no row is repeated twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from curation.demo.scales import Part, Scale
from curation.demo.templates import FOREIGN, LONG, SHORT, Draw, Template, Trace
from curation.errors import DemoSourcesError


@dataclass(frozen=True, slots=True)
class Row:
    """One upstream row before it has a layout: a trace, and what is wrong with the row, if anything is."""

    trace: Trace
    task: str = ""
    defect: str = ""
    variant: int = 0
    """How many rows of the same part have this defect already."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted in a row: its kind, and the row that it repeats, its language or its defect."""

    kind: str
    part: str
    row: int
    """1-based, in the source."""
    of_part: str = ""
    of_row: int = 0
    detail: str = ""
    variant: int = 0
    """Of a malformed row of the full size: in which of the ways it has its defect."""


@dataclass(frozen=True, slots=True)
class _Style:
    templates: tuple[tuple[str, Template], ...]
    shortest: int
    longest: int
    """Characters of reasoning."""
    care: float


_LONG = tuple(("", template) for template in LONG)
_STYLES = {
    "raiden": _Style(_LONG, 400, 1800, care=0.6),
    "openo1": _Style(_LONG, 300, 1500, care=0.4),
    "cot": _Style(SHORT, 80, 300, care=0),
    "glaive": _Style(_LONG, 550, 1800, care=1),
}
_FOREIGN_STYLES = {
    language: _Style(tuple(("", template) for template in templates), 100, 1500, care=1)
    for language, templates in FOREIGN.items()
}


def plant(seed: int, scale: Scale) -> tuple[dict[str, list[Row]], list[Planted]]:
    """The rows of each source, and what is planted in them, in the order of the rows.

    Raises DemoSourcesError if the templates can't tell as many different traces as the scale asks for.
    """
    rows: dict[str, list[Row]] = {part.source: [] for part in scale.parts.values()}
    planted: list[Planted] = []
    repeatable: dict[str, dict[int, Row]] = {}
    seen = _Seen()
    for name, part in scale.parts.items():
        style = _STYLES[part.source]
        draw = Draw(f"demo sources, seed {seed}, {name}", care=style.care)
        told = _Supply(draw, style, seen)
        foreign = {language: _Supply(draw, _FOREIGN_STYLES[language], seen) for language in part.languages}
        repeatable[name] = {}
        defects: list[str] = []
        for kind, detail in _plan(draw, name, part):
            number = len(rows[part.source]) + 1
            of_part, of_row = "", 0
            if kind == "fresh":
                row = repeatable[name][number] = told.fresh()
            elif kind == "language":
                row = foreign[detail].fresh()
            elif kind == "malformed":
                row = replace(told.fresh(), defect=detail, variant=defects.count(detail))
                defects.append(detail)
            else:
                of_part, of_row = detail, draw.one(*_repeatable(repeatable[detail], kind))
                original = repeatable[detail].pop(of_row)
                change = padded if kind == "duplicate" else retouched
                row = replace(original, trace=change(draw, original.trace))
            rows[part.source].append(row)
            if kind != "fresh":
                planted.append(Planted(kind, name, number, of_part, of_row, "" if of_part else detail))
    return rows, planted


def _plan(draw: Draw, name: str, part: Part) -> list[tuple[str, str]]:
    """What each row of a part is to be, as (kind, part to repeat or language or defect)."""
    kinds = {
        "duplicate": part.duplicates,
        "near": part.near_duplicates,
        "language": part.languages,
        "malformed": part.malformed,
    }
    special = [
        (kind, detail)
        for kind, counts in kinds.items()
        for detail, count in counts.items()
        for _ in range(count)
    ]
    fresh = [("fresh", "")] * (part.rows - len(special))
    while True:
        plan = draw.order(fresh + special)
        left = 0
        for kind, of in plan:
            left += (kind == "fresh") - (of == name)
            if left < 0:
                break
        else:
            return plan


_LONG_ENOUGH = 130
"""Characters of reasoning in which one word more or less is little."""


def _repeatable(rows: Mapping[int, Row], kind: str) -> list[int]:
    longer = [number for number, row in rows.items() if len(row.trace.reasoning) > _LONG_ENOUGH]
    return longer if kind == "near" and longer else list(rows)


def padded(draw: Draw, trace: Trace) -> Trace:
    """The same content: every other time with more whitespace around one of the texts."""
    before, after = draw.one("", " ", "\n", "\t", " \r\n"), draw.one(" ", "\n", "\n\n", "\v", "\f ", "\t\n")
    prompt, reasoning, answer = (
        f"{before}{trace.prompt}{after}",
        f"{before}{trace.reasoning}",
        f"{trace.answer}{after}",
    )
    padded = replace(trace, prompt=prompt), replace(trace, reasoning=reasoning), replace(trace, answer=answer)
    return draw.one(trace, trace, trace, *padded)


_SWAPS = ("Together", "Altogether"), (" so ", " therefore "), ("So ", "Therefore "), ("Then ", "Next ")


def retouched(draw: Draw, trace: Trace) -> Trace:
    """Nearly the same content: a word or a sentence more, or a no-break space, which is never stripped."""
    swapped = [trace.reasoning.replace(old, new, 1) for old, new in _SWAPS if old in trace.reasoning]
    return draw.one(
        replace(trace, prompt=f"{trace.prompt} {draw.one('Please explain.', 'Show your steps.')}"),
        replace(trace, answer=f"{trace.answer}\u00a0"),
        replace(trace, reasoning=f"{trace.reasoning} {draw.one('That is all.', 'I am done.')}"),
        *(replace(trace, reasoning=reasoning) for reasoning in swapped),
    )


class _Seen:
    """The fresh traces so far: their prompts, and their runs of five characters by template.

    Two traces are alike if the Jaccard index of these runs is 0.6 or more.
    """

    _LENGTH = 5
    _LIKENESS = 0.6

    def __init__(self) -> None:
        self._prompts: set[str] = set()
        self._sketches: dict[Template, list[set[str]]] = {}

    def admits(self, template: Template, trace: Trace) -> bool:
        """Whether a trace has a new prompt, and is unlike all of its template; if so, it is remembered."""
        prompt = " ".join(part for part in trace.prompt.lower().split())
        text = f"{trace.prompt} {trace.reasoning} {trace.answer}"
        sketch = {text[start : start + self._LENGTH] for start in range(len(text) - self._LENGTH + 1)}
        others = self._sketches.setdefault(template, [])
        alike = (len(sketch & other) >= self._LIKENESS * len(sketch | other) for other in others)
        if prompt in self._prompts or any(alike):
            return False
        self._prompts.add(prompt)
        others.append(sketch)
        return True


class _Supply:
    """Fresh traces in one style: the templates take turns, each with some tries."""

    _TRIES = 10

    def __init__(self, draw: Draw, style: _Style, seen: _Seen) -> None:
        self._draw, self._style, self._seen = draw, style, seen
        self._turns: list[tuple[str, Template]] = []

    def fresh(self) -> Row:
        """A trace that is unlike all before it."""
        for _ in range(2 * len(self._style.templates)):
            self._turns = self._turns or self._draw.order(self._style.templates)
            task, template = self._turns.pop()
            for _ in range(self._TRIES):
                trace = template(self._draw)
                fits = self._style.shortest <= len(trace.reasoning) <= self._style.longest
                if fits and self._seen.admits(template, trace):
                    return Row(trace, task)
        raise DemoSourcesError(
            f"demo sources: each of {len(self._style.templates)} templates was asked for a new trace in vain; choose a "
            "smaller scale"
        )
