"""The page of a run: one HTML document that needs nothing else. Pure.

No script runs in it and nothing is fetched: its own policy forbids both, but for the one style sheet whose digest it
names (https://www.w3.org/TR/CSP3/). It has no time stamp: the same run gives the same bytes.
"""

from statistics import median

from manifests.page.head import page_head
from manifests.page.markup import Markup, joined, number, tag, text
from training.report.charts import MOST_SERIES, Series, chart, smoothed
from training.report.gather import Gathered, last_session
from training.report.mix import about_left_out, held_out_losses, held_out_table, mix_table
from training.report.provenance import identity, lineage, sessions_card, settings_card
from training.report.samples import sample_cases
from training.report.style import STYLE
from training.report.words import counted, loss
from training.runs.folder import FINISHED
from training.watch.pace import duration
from training.watch.samples import format_share

_LONGEST_NAME = 64  # characters; longer ones were not written by this project
_SMOOTH_FROM = 50  # steps: of fewer, a mean over a fiftieth is each step itself


def run_page(gathered: Gathered) -> str:
    """The page as HTML, to be encoded as UTF-8."""
    title = _title(gathered)
    head = page_head(title, STYLE)
    record = gathered.record
    main = tag(
        "main",
        tag("header", tag("p", text("Training run"), class_="kind"), tag("h1", text(title))),
        _verdict(gathered),
        tag("section", tag("h2", text("How it went")), tag("div", *_charts(gathered), class_="charts")),
        tag(
            "section", tag("h2", text("What it was trained on")), mix_table(gathered), about_left_out(record)
        ),
        tag("section", tag("h2", text("Held out")), held_out_table(record))
        if held_out_losses(record, "held_out_first")
        else tag(
            "section", tag("h2", text("Held out")), tag("p", text("No loss of held-out traces was measured."))
        ),
        tag("section", tag("h2", text("Samples")), sample_cases(gathered.samples)),
        tag("section", tag("h2", text("Runs before this one")), lineage(record)),
        tag(
            "section",
            tag("h2", text("Provenance")),
            tag("div", identity(record), settings_card(record), sessions_card(record), class_="cards"),
        ),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{main}</body></html>\n'


def _title(gathered: Gathered) -> str:
    record = gathered.record
    name = str(record.get("manifest_name") or str(record.get("manifest"))[:12])
    return f"{str(record.get('model'))[:_LONGEST_NAME]} on {name[:_LONGEST_NAME]}"


def _verdict(gathered: Gathered) -> Markup:
    record, done = gathered.record, len(gathered.metrics)
    status = str(record.get("status"))
    good = status == FINISHED
    of = f"{done:,} of {_planned(gathered)} done"
    facts = [
        ("steps", text(of)),
        ("tokens trained on", number(gathered.consumed.tokens)),
        ("distinct traces seen", number(gathered.consumed.traces)),
    ]
    first, last = (held_out_losses(record, key).get("") for key in ("held_out_first", "held_out_last"))
    sentences = [f"{of}."]
    if gathered.metrics:
        before, after = gathered.metrics[0].loss, gathered.metrics[-1].loss
        sentences.append(f"Loss of the batches: {loss(before)} at the first step, {loss(after)} at the last.")
    if first is not None and last is not None:
        sentences.append(f"Loss of held-out traces: {loss(first)} before, {loss(last)} after.")
    sentences += _formats(gathered)
    if speed := _speed(gathered):
        facts.append(("speed", text(speed)))
    terms = [joined(tag("dt", text(term)), tag("dd", fact)) for term, fact in facts]
    return tag(
        "section",
        tag("p", text(_WORDS.get(status, status).capitalize()), class_="word", data_status=status),
        tag("h2", text(sentences[0])),
        *(tag("p", text(sentence)) for sentence in sentences[1:]),
        tag("dl", *terms, class_="keys"),
        class_="verdict good" if good else "verdict wait",
    )


_WORDS = {
    "running": "not finished: it is running, or was killed",
    "stopped": "stopped: there is more to do, and the adapter is exported",
    "finished": "finished",
}


def _planned(gathered: Gathered) -> str:
    steps = gathered.record.get("steps")
    return counted(steps, "step", "steps") if isinstance(steps, int) else "an unknown number of steps"


def _formats(gathered: Gathered) -> list[str]:
    steps = sorted({sample.step for sample in gathered.samples})
    if not steps:
        return []
    shares = [
        format_share([sample for sample in gathered.samples if sample.step == step])
        for step in (steps[0], steps[-1])
    ]
    if len(steps) == 1:
        return [f"Format kept by {shares[0]:.0%} of the samples."]
    return [f"Format kept by {shares[0]:.0%} of the samples at first, {shares[1]:.0%} at last."]


def _speed(gathered: Gathered) -> str:
    """The median over the steps that measure it, and the time of them all."""
    speeds = [pace.useful / pace.seconds for pace in gathered.pace if not pace.first and pace.seconds > 0]
    if not speeds:
        return ""
    typical = median(speeds)
    told = f"{typical:,.0f} useful tokens/s (median)"
    if gathered.full_speed:
        told += f", {typical / gathered.full_speed:.0%} of the peak of {last_session(gathered.record).get('device')}"
    return f"{told}; steps took {duration(sum(pace.seconds for pace in gathered.pace))} in all"


def _charts(gathered: Gathered) -> list[Markup]:
    metrics = gathered.metrics
    last = max((one.step for one in metrics), default=1)
    losses = [(one.step, one.loss) for one in metrics]
    shown = [Series("batches", losses)]
    if len(losses) >= _SMOOTH_FROM:
        shown = [Series("batches, mean", smoothed(losses)), Series("batches, each", losses, faint=True)]
    held_out = _held_out(gathered, "", last)
    if held_out:
        shown.append(Series("held out", held_out))
    whole = chart("Loss", "nats a token", shown, last)
    charts = [tag("div", whole, class_="wide")]
    names = sorted({name for one in metrics for name in one.by_source} | _sources(gathered))
    for start in range(0, len(names), MOST_SERIES):
        part = [Series(name, _held_out(gathered, name, last)) for name in names[start : start + MOST_SERIES]]
        charts.append(chart("Held-out loss by source", "nats a token", part, last))
    rates = [(one.step, one.learning_rate) for one in metrics]
    norms = [(one.step, one.gradient_norm) for one in metrics]
    speeds = [
        (one.step, one.useful / one.seconds) for one in gathered.pace if not one.first and one.seconds > 0
    ]
    charts += [
        chart("Learning rate", "", [Series("learning rate", rates)], last),
        chart("Gradient norm", "before clipping", [Series("gradient norm", norms)], last),
        chart("Speed", "useful tokens a second", [Series("speed", speeds)], last, (0.0,)),
    ]
    shares = [
        (step, format_share([sample for sample in gathered.samples if sample.step == step]))
        for step in sorted({sample.step for sample in gathered.samples})
    ]
    if len(shares) > 1:
        charts.append(
            chart("Format kept", "share of the samples", [Series("share", shares)], last, (0.0, 1.0))
        )
    return charts


def _sources(gathered: Gathered) -> set[str]:
    ends = (held_out_losses(gathered.record, key) for key in ("held_out_first", "held_out_last"))
    return {name for losses in ends for name in losses} - {""}


def _held_out(gathered: Gathered, name: str, last: int) -> list[tuple[int, float]]:
    """The held-out losses of a source, or over all under the empty name: before, at steps, and after."""
    points: dict[int, float] = {}
    record = gathered.record
    if (before := held_out_losses(record, "held_out_first").get(name)) is not None:
        points[0] = before
    for one in gathered.metrics:
        value = one.by_source.get(name) if name else one.held_out
        if value is not None:
            points[one.step] = value
    if (after := held_out_losses(record, "held_out_last").get(name)) is not None:
        points[last] = after
    return sorted(points.items())
