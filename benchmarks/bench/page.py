"""Results as Markdown: the page, and the README's part. Pure."""

import re
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from benchmarks.bench.results import ContestResult, Results, Row

BEGIN, END = "<!-- from make bench -->", "<!-- end of make bench -->"
NEITHER = "neither: the spreads overlap"


def render(results: Results) -> str:
    """`RESULTS.md`."""
    parts = [*_head(results), *_ratios(results)]
    for contest in results.contests:
        parts += _contest(contest)
    parts += _tpu(results.tpu)
    return "\n".join(parts).rstrip() + "\n"


def readme_part(results: Results) -> str:
    """The README's table: a line a contest."""
    machine = results.machine
    introduction = (
        f"`make bench` ({results.taken}, {machine.processor}, {machine.cores} cores), medians of "
        f"{results.sizes['rounds']}; sizes, spreads, versions, what each rival did, and why it is faster or slower: "
        "[benchmarks/RESULTS.md](benchmarks/RESULTS.md)."
    )
    lines = [
        introduction,
        "",
        "| the same work | ours | their time ÷ ours (under 1: they are faster) |",
        "|---|---|---|",
    ]
    for contest in results.contests:
        if not contest.rows or not contest.rows[0].seconds:
            continue
        ours, *others = contest.rows
        ratios = ", ".join(
            f"{_cell(row.name)} {_ratio(row, ours)}" if row.seconds else f"{_cell(row.name)}: did not run"
            for row in others
        )
        lines.append(
            f"| [{contest.title[:1].lower()}{contest.title[1:]}](benchmarks/RESULTS.md#{anchor(contest.title)}), "
            f"{ours.units:,} {contest.unit} "
            f"| {_seconds(median(ours.seconds))}, {max(ours.memory):,.0f} MiB | {ratios} |"
        )
    return "\n".join(lines)


def with_part(text: str, part: str) -> str:
    """The text with this part between its marks; the text as it is, if it has none."""
    begin, end = text.find(BEGIN), text.find(END)
    if not 0 <= begin < end:
        return text
    return f"{text[: begin + len(BEGIN)]}\n{part}\n{text[end:]}"


def anchor(title: str) -> str:
    """As GitHub links to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def winner(row: Row, ours: Row) -> str:
    """Who takes less time for a unit of work."""
    own, other = ([second / each.units for second in each.seconds] for each in (ours, row))
    if max(other) < min(own):
        return row.name
    return "ours" if max(own) < min(other) else NEITHER


def _head(results: Results) -> Iterator[str]:
    machine = results.machine
    yield "# Ours beside its rivals"
    yield ""
    yield (
        f"Written by `make bench` on {results.taken}, in {results.minutes:.0f} minutes; not by hand. "
        f"{machine.processor}, {machine.cores} cores, {machine.memory:.0f} GiB, {machine.system}."
    )
    yield ""
    yield (
        "In a contest everybody does the same work on the same files, in turn, round after round, each in a "
        "process of its "
        "own and, rivals, in an environment of their own (`benchmarks/rivals/*.txt`). Seconds are medians, "
        "with the least "
        "and the most; where a contest says that start-up is not counted, the contestant took the time "
        "itself. Processor "
        "seconds are medians and of the whole process and its children; memory is the most that they took "
        "together in any "
        "round (PSS, sampled). Files had been read before, so they came from the page cache."
    )
    yield ""
    sizes = ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in results.sizes.items())
    yield f"Sizes: {sizes}."
    yield ""
    yield "| environment | Python | packages |"
    yield "|---|---|---|"
    for name, made in results.environments.items():
        versions = ", ".join(f"{package} {number}" for package, number in made.versions.items())
        yield f"| {name} | {made.python} | {_cell(made.problem or versions)} |"


def _ratios(results: Results) -> Iterator[str]:
    yield ""
    yield "## Who is faster"
    yield ""
    yield "Time for the same work, divided by ours: under 1 the rival is faster."
    yield ""
    yield "| contest | beside ours | its time ÷ ours | faster | why |"
    yield "|---|---|---:|---|---|"
    for contest in results.contests:
        title = f"[{contest.title}](#{anchor(contest.title)})"
        if contest.problem:
            yield f"| {title} | | | | {_cell(contest.problem)} |"
        for row in contest.rows[1:]:
            ours = contest.rows[0]
            if not row.seconds or not ours.seconds:
                yield f"| {title} | {_cell(row.name)} | – | – | {_cell(row.problem)} |"
                continue
            first = winner(row, ours)
            why = {row.name: row.ahead, "ours": row.behind}.get(first, "")
            yield f"| {title} | {_cell(row.name)} | {_ratio(row, ours)} | {_cell(first)} | {_cell(why)} |"
        for name, reason in contest.absent.items():
            yield f"| {title} | {_cell(name)} | – | – | {_cell(reason)} |"


def _contest(contest: ContestResult) -> Iterator[str]:
    yield ""
    yield f"## {contest.title}"
    yield ""
    if contest.problem:
        yield f"Not run: {contest.problem}"
        return
    yield f"On {contest.about}."
    yield ""
    yield f"| | seconds | {contest.unit} | {contest.unit} a second | processor s | MiB | result |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for row in contest.rows:
        result = " – ".join(text for text in (row.problem, row.verdict) if text)
        result += "" if row.sound else " (**not explained**)"
        if not row.seconds:
            yield f"| {_cell(row.name)} | – | | | | | {_cell(result)} |"
            continue
        low, high = min(row.seconds), max(row.seconds)
        spread = f"{_seconds(median(row.seconds))} ({low:.2f} to {high:.2f})"
        yield (
            f"| {_cell(row.name)} | {spread} | {row.units:,} | {1 / row.pace:,.0f} | {median(row.processor):.1f} "
            f"| {max(row.memory):,.0f} | {_cell(result)} |"
        )
    yield ""
    for row in contest.rows:
        yield f"- **{row.name}** ({row.environment}): {row.did}."
    for name, reason in contest.absent.items():
        yield f"- **{name}** did not take part: {reason}."


def _tpu(tpu: Mapping[str, Any] | None) -> Iterator[str]:
    yield ""
    yield "## Training on TPUs"
    yield ""
    if tpu is None:
        yield "Nothing was compiled: `python benchmarks/tpu.py` writes `benchmarks/tpu.json`, which this page reads."
        return
    versions = ", ".join(f"{name} {number}" for name, number in tpu["versions"].items())
    yield (
        f"Compiled for {tpu['target']} on a CPU and never run on one, on {tpu['taken']} by `{tpu['command']}` "
        f"({versions}); "
        "it takes longer than the hour, so this page repeats what it wrote then."
    )
    yield ""
    yield f"| {' | '.join(['', *map(_cell, tpu['columns'])])} |"
    yield f"|{'---|' * (len(tpu['columns']) + 1)}"
    for name, *cells in tpu["rows"]:
        yield f"| {' | '.join(map(_cell, (name, *cells)))} |"


def _ratio(row: Row, ours: Row) -> str:
    """Two figures that count, or whole from 10."""
    ratio = row.pace / ours.pace
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}"  # noqa: PLR2004


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"  # noqa: PLR2004


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _cell(text: object) -> str:
    """A text within a table: errors of others may hold anything."""
    return re.sub(r"([|<>\\])", r"\\\1", " ".join(str(text).split()))
