"""What a run is trained on: its sources, and what of them was left out. Pure."""

from collections.abc import Mapping, Sequence

from manifests.page.markup import EMPTY, Markup, number, tag, text
from manifests.page.tables import table
from training.report.gather import Gathered
from training.report.words import loss
from training.runs.folder import Record

# What a record says of traces that were left out, and how the page calls it.
LEFT_OUT = (
    ("over_length", "Too long"),
    ("forged_turn", "Turn marker"),
    ("broken_format", "Tag in text"),
)


def mix_table(gathered: Gathered) -> Markup:
    """A row a source: traces and tokens trained on, held out, left out by reason."""
    total = sum(share.tokens for share in gathered.mix) or 1
    head = ["Source", "Traces", "Tokens", "Of all", "Held out", *(name for _, name in LEFT_OUT)]
    left = [left_out(gathered.record, key) for key, _ in LEFT_OUT]
    rows = [
        [
            tag("bdi", text(share.source)),
            number(share.traces),
            number(share.tokens),
            text(f"{share.tokens / total:.1%}"),
            number(share.held_out),
            *(number(by_source.get(share.source, (0, 0))[0]) for by_source in left),
        ]
        for share in gathered.mix
    ]
    shares = gathered.mix
    sums = [sum(traces for traces, _ in by_source.values()) for by_source in left]
    rows.append(
        [
            text("All"),
            number(sum(share.traces for share in shares)),
            number(sum(share.tokens for share in shares)),
            text("100%"),
            number(sum(share.held_out for share in shares)),
            *map(number, sums),
        ]
    )
    caption = text("Traces that the plan trains on, each counted once, and what was left out")
    return table(caption, [text(cell) for cell in head], rows, class_="mix")


def about_left_out(record: Record) -> Markup:
    """What "too long" and its like mean, where there are such traces."""
    counts = [sum(tokens for _, tokens in left_out(record, key).values()) for key, _ in LEFT_OUT]
    if not any(counts):
        return EMPTY
    length = _settings(record).get("length")
    return tag(
        "p",
        text(
            f"Left out whole, nothing is cut: traces longer than {length} tokens ({counts[0]:,} tokens of them), "
            "traces whose text holds a turn marker, and traces whose text holds a tag of the template."
        ),
        class_="quiet",
    )


def held_out_table(record: Record) -> Markup:
    """The held-out losses before and after, over all and by source."""
    first, last = (held_out_losses(record, key) for key in ("held_out_first", "held_out_last"))
    if not first and not last:
        return EMPTY
    names = ["", *sorted((first.keys() | last.keys()) - {""})]
    rows = [
        [
            tag("bdi", text(name)) if name else text("All"),
            _loss(first.get(name)),
            _loss(last.get(name)),
            _change(first.get(name), last.get(name)),
        ]
        for name in names
    ]
    caption = text(
        "Held-out loss, nats a token: the mean over the trained tokens of traces that are never trained on"
    )
    return table(
        caption, [text(cell) for cell in ("Source", "Before", "After", "Change")], rows, class_="mix"
    )


def held_out_losses(record: Record, key: str) -> dict[str, float]:
    """The held-out losses of a record under `key`, by source, and over all under the empty name; or none."""
    told = record.get(key)
    if not isinstance(told, dict) or not isinstance(told.get("by_source"), dict):
        return {}
    losses = {"": told.get("loss"), **told["by_source"]}
    return {str(name): float(value) for name, value in losses.items() if isinstance(value, int | float)}


def left_out(record: Record, key: str) -> dict[str, tuple[int, int]]:
    """Traces and tokens that a record leaves out under `key`, by source."""
    told = record.get(key)
    entries: Sequence[object] = told if isinstance(told, list) else []
    return {
        str(entry["source"]): (entry["traces"], entry["tokens"])
        for entry in entries
        if isinstance(entry, dict) and all(isinstance(entry.get(name), int) for name in ("traces", "tokens"))
        if "source" in entry
    }


def _settings(record: Record) -> Mapping[str, object]:
    settings = record.get("settings")
    return settings if isinstance(settings, dict) else {}


def _loss(value: float | None) -> Markup:
    return tag("span", text("not measured"), class_="quiet") if value is None else text(loss(value))


def _change(before: float | None, after: float | None) -> Markup:
    return EMPTY if before is None or after is None else text(f"{after - before:+.4f}".replace("-", "\u2212"))
