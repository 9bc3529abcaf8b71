"""Replies to held-out prompts, at the first and the last time of asking, side by side. Pure."""

from collections.abc import Sequence

from manifests.page.markup import EMPTY, Markup, joined, tag, text
from training.report.words import counted
from training.watch.samples import Sample, format_share

LONGEST_PROMPT, LONGEST_REPLY = 800, 2400  # characters


def sample_cases(samples: Sequence[Sample]) -> Markup:
    """Every prompt with its first and its last reply; one reply where it was asked once."""
    steps = sorted({sample.step for sample in samples})
    if not steps:
        return tag(
            "p",
            text("None kept: 'sample_every' was 0, or no held-out trace is short enough."),
            class_="quiet",
        )
    ends = [steps[0], steps[-1]] if len(steps) > 1 else steps
    by_step = [{sample.sample: sample for sample in samples if sample.step == step} for step in ends]
    places = sorted({place for replies in by_step for place in replies})
    told = [
        f"{_kept(list(replies.values()))} {_when(step)}" for step, replies in zip(ends, by_step, strict=True)
    ]
    return joined(
        tag("p", text(f"Greedy replies that keep the format: {', '.join(told)}.")),
        *(_case([replies.get(place) for replies in by_step], place) for place in places),
    )


def _kept(samples: Sequence[Sample]) -> str:
    kept = round(format_share(samples) * len(samples))
    return f"{kept:,} of {len(samples):,}"


def _when(step: int) -> str:
    return f"behind step {step:,}" if step else "before the first step"


def _case(replies: Sequence[Sample | None], place: int) -> Markup:
    there = [sample for sample in replies if sample is not None]
    heading = tag(
        "h4",
        tag("bdi", text(there[0].source)),
        tag("span", text(f" trace {place:,} of the manifest"), class_="quiet"),
    )
    sides = [
        tag(
            "div",
            tag("p", text(_when(sample.step).capitalize()), text(" · "), _verdict(sample), class_="who"),
            _text(sample.reply, LONGEST_REPLY),
        )
        for sample in there
    ]
    return tag(
        "article",
        heading,
        tag("p", text("prompt"), class_="field"),
        tag("div", _text(there[0].prompt, LONGEST_PROMPT), class_="sides one"),
        tag("div", *sides, class_="sides" if len(sides) > 1 else "sides one"),
        class_="case",
    )


def _verdict(sample: Sample) -> Markup:
    if sample.lapse is None:
        told = tag("span", text("keeps the format"), class_="kept")
    else:
        told = tag("span", text(sample.lapse), class_="lapsed")
    return joined(told, tag("span", text(f", {counted(sample.tokens, 'token', 'tokens')}"), class_="quiet"))


def _text(content: str, longest: int) -> Markup:
    more = len(content) - longest
    cut = (
        EMPTY
        if more <= 0
        else tag("span", text(f" … {counted(more, 'character', 'characters')} more"), class_="cut")
    )
    return tag("div", text(content[:longest]), cut, class_="trace", dir="auto", tabindex=0)
