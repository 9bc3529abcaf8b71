"""The tables of an audit's page: what each pair shares, and how much of each source. Pure.

Every count stands in a `data` element whose attributes say what it counts: `data-pair`, `data-tier` and `data-side`,
`data-source` where they apply.
"""

from collections.abc import Sequence

from manifests.audit import TIERS, Audit, Pair, Shared
from manifests.page.markup import EMPTY, Markup, joined, number, tag, text
from manifests.page.words import TIER_LABELS, names, state

_MOST_BESIDE = 5  # manifests whose matrices stand beside each other
_SHORT = {"row": "Same row", "content": "Content", "prompt": "Prompt", "near": "Near"}


def table(
    caption: Markup, head: Sequence[Markup], rows: Sequence[Sequence[Markup]], **attributes: str
) -> Markup:
    """A table in a box that scrolls by itself. The first cell of each row is its heading."""
    headings = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", headings),
            tag("tbody", *body),
            **attributes,
        ),
        class_="scroll",
        tabindex=0,
    )


def pair_name(pair: Pair) -> str:
    """How a pair is called in attributes: the places of its manifests, as `0-1`."""
    return f"{pair.first}-{pair.second}"


def shared_table(audit: Audit, pair: Pair) -> Markup:
    """What two manifests share: a row for each tier."""
    name = names(audit)
    first, second = name[pair.first], name[pair.second]
    head = ["Tier", "Verdict", "Shared", f"Rows of {first}", f"Rows of {second}"]
    rows = [_tier_row(audit, pair, tier) for tier in TIERS]
    caption = joined(text("What "), _name(first), text(" and "), _name(second), text(" share"))
    hidden = tag("span", caption, class_="spoken")  # the heading above says it to those who see
    return table(hidden, [text(cell) for cell in head], rows, class_="shared")


def _tier_row(audit: Audit, pair: Pair, tier: str) -> list[Markup]:
    shared = pair.shared.get(tier)
    where = {"data_pair": pair_name(pair), "data_tier": tier}
    told = state(audit, shared, tier)
    status = tag("span", text(told), class_=f"state {told.split(',')[0].replace(' ', '-')}")
    if shared is None:
        return [text(TIER_LABELS[tier]), status, tag("span", text("–"), **where), text("–"), text("–")]
    sides = [
        number(sum(rows.values()), **where, data_side=side)
        for side, rows in (("a", shared.first_rows), ("b", shared.second_rows))
    ]
    keys = number(shared.keys, **where)
    return [text(TIER_LABELS[tier]), status, keys, *sides]


def source_tables(audit: Audit, pair: Pair) -> Markup:
    """For each of the two manifests: how many rows of each source the other one shares, tier by tier."""
    name = names(audit)
    sides = (("a", pair.first, pair.second), ("b", pair.second, pair.first))
    return tag(
        "div",
        *(_sources(audit, pair, side, (here, name[here], name[there])) for side, here, there in sides),
        class_="beside",
    )


def _sources(audit: Audit, pair: Pair, side: str, whose: tuple[int, str, str]) -> Markup:
    place, here, there = whose
    head = ["Source", "Rows", *(_SHORT[tier] for tier in TIERS if tier in pair.shared)]
    rows = [
        [
            text(source.source),
            number(source.rows, data_manifest=place, data_source=source.source),
            *(
                number(
                    _rows(shared, side).get(source.source, 0),
                    data_pair=pair_name(pair),
                    data_tier=tier,
                    data_side=side,
                    data_source=source.source,
                )
                for tier in TIERS
                if (shared := pair.shared.get(tier)) is not None
            ),
        ]
        for source in audit.manifests[place].identity.ledger
    ]
    caption = joined(text("Rows of "), _name(here), text(" that are also in "), _name(there))
    return table(caption, [text(cell) for cell in head], rows, class_="sources")


def _rows(shared: Shared, side: str) -> dict[str, int]:
    return dict(shared.first_rows if side == "a" else shared.second_rows)


def matrices(audit: Audit) -> Markup:
    """Every manifest against every other one: a matrix for each tier, with the sum over its pairs."""
    beside = "beside" if len(audit.manifests) <= _MOST_BESIDE else "below"
    return tag("div", *(_matrix(audit, tier) for tier in TIERS), class_=beside)


def _matrix(audit: Audit, tier: str) -> Markup:
    name = names(audit)
    count = len(audit.manifests)
    pairs = {(pair.first, pair.second): pair for pair in audit.pairs}
    rows = [
        [
            tag("span", text(f"{first + 1} "), _name(name[first])),
            *(_matrix_cell(audit, pairs.get((first, second)), tier) for second in range(1, count)),
        ]
        for first in range(count - 1)
    ]
    counted = [pair.shared[tier].keys for pair in audit.pairs if tier in pair.shared]
    complete = len(counted) == len(audit.pairs)
    total = number(sum(counted), data_total=tier) if complete else tag("span", text("–"), data_total=tier)
    asked = "asked for" if tier in audit.tiers else "not asked for"
    if not complete:
        asked += ", not counted where a dash stands"
    caption = joined(
        tag("strong", text(TIER_LABELS[tier].capitalize())),
        tag("span", text(f" · {asked} · all pairs: "), total, class_="quiet"),
    )
    head = [
        text("Against"),
        *(joined(text(f"{place + 1} "), _name(name[place])) for place in range(1, count)),
    ]
    return table(caption, head, rows, class_="matrix")


def _matrix_cell(audit: Audit, pair: Pair | None, tier: str) -> Markup:
    if pair is None:
        return EMPTY
    where = {"data_pair": pair_name(pair), "data_tier": tier}
    shared = pair.shared.get(tier)
    if shared is None:
        return tag("span", text("–"), class_="quiet", **where)
    told = state(audit, shared, tier).split(",")[0]
    return tag("span", number(shared.keys, **where), class_=f"cell {told}")


def _name(name: str) -> Markup:
    return tag("bdi", text(name))
