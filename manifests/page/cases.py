"""Examples side by side, with the words that differ marked. Pure."""

from collections.abc import Mapping

from manifests.audit import Audit, Pair
from manifests.page.differences import Comparison, Excerpt, compare
from manifests.page.examples import Example, Sample, Samples
from manifests.page.markup import EMPTY, Markup, joined, tag, text
from manifests.page.words import TIER_LABELS, listed, names

_FIELDS = ("prompt", "reasoning", "answer")


def cases(audit: Audit, pair: Pair, examples: list[Example], samples: Samples, heading: str) -> Markup:
    """The examples of a pair, each under a heading of this level (`h3`, `h4`)."""
    name = names(audit)
    sides = {0: (pair.first, name[pair.first]), 1: (pair.second, name[pair.second])}
    return joined(*(_case(example, sides, samples, heading) for example in examples))


def without_text(audit: Audit, pair: Pair, reasons: Mapping[int, str]) -> Markup:
    """A sentence for each manifest of a pair whose texts can't be shown."""
    name = names(audit)
    notes = [
        tag(
            "p",
            text("The texts of "),
            tag("bdi", text(name[place])),
            text(f" can't be shown: {reasons[place]}. The keys of its rows stand here instead. "),
            tag("code", text(f"curation regenerate {audit.manifests[place].id[:12]}")),
            text(" rebuilds it."),
            class_="note",
        )
        for place in (pair.first, pair.second)
        if place in reasons
    ]
    return joined(*notes)


def _case(example: Example, sides: Mapping[int, tuple[int, str]], samples: Samples, heading: str) -> Markup:
    labels = listed([TIER_LABELS[tier] for tier in example.tiers], "and")
    similarity = "" if example.similarity is None else f", similarity {example.similarity:.2f}"
    rows = (example.first, example.second)
    title = tag(
        heading,
        text(f"{_row(example.first)} and {_row(example.second)}"),
        tag("span", text(f" {labels}{similarity}"), class_="quiet"),
    )
    found = [samples.get((sides[side][0], rows[side])) for side in (0, 1)]
    who = [(sides[side][1], _row(rows[side]), found[side]) for side in (0, 1)]
    first, second = found
    if first is None or second is None or first.trace is None or second.trace is None:
        body = tag("div", *(_side(*one, _keys(one[2])) for one in who), class_="sides")
    else:
        body = joined(
            tag("div", *(_side(*one, EMPTY) for one in who), class_="sides heads"),
            *(
                _field(field, compare(getattr(first.trace, field), getattr(second.trace, field)))
                for field in _FIELDS
            ),
        )
    return tag("article", title, body, class_="case")


def _row(row: tuple[str, int]) -> str:
    return f"{row[0]}:{row[1]}"


def _side(name: str, row: str, sample: Sample | None, inner: Markup) -> Markup:
    place = "" if sample is None else f", place {sample.place:,} in its order"
    return tag(
        "div",
        tag("p", tag("bdi", text(name)), tag("span", text(f" {row}{place}"), class_="quiet"), class_="who"),
        inner,
    )


def _keys(sample: Sample | None) -> Markup:
    """The keys of a row whose text is not shown, or whose counterpart's is not."""
    if sample is None:
        return EMPTY
    keys = (("content", sample.content.hex()), ("prompt", sample.prompt.hex()))
    terms = [
        joined(tag("dt", text(f"{label} key")), tag("dd", tag("code", text(key)))) for label, key in keys
    ]
    return tag("dl", *terms, class_="keys")


def _field(field: str, comparison: Comparison) -> Markup:
    label = tag(
        "p", text(field), tag("span", text(f" {comparison.likeness}"), class_="quiet"), class_="field"
    )
    if comparison.likeness == "equal":
        return joined(label, tag("div", _excerpt(comparison.first), class_="sides one"))
    return joined(label, tag("div", _excerpt(comparison.first), _excerpt(comparison.second), class_="sides"))


def _excerpt(excerpt: Excerpt) -> Markup:
    pieces = [tag("mark", text(piece)) if differs else text(piece) for piece, differs in excerpt.pieces]
    return tag(
        "div",
        _left_out(excerpt.before, "before"),
        *pieces,
        _left_out(excerpt.after, "after"),
        class_="trace",
        dir="auto",
    )


def _left_out(characters: int, where: str) -> Markup:
    if not characters:
        return EMPTY
    noun = "character" if characters == 1 else "characters"
    told = tag("span", text(f"… {characters:,} {noun} {where} …"), class_="cut")
    return joined(told, text(" ")) if where == "before" else joined(text(" "), told)
