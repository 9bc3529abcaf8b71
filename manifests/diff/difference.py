"""What two manifests differ in, and why: `manifests diff`. Told from the manifests alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from manifests.diff.cause import likely_causes
from manifests.diff.fields import SECTIONS, Change, compare_identities, compare_tools, shown
from manifests.diff.rows import Absence, RowsDifference, compare_rows
from manifests.fate import NO_SOURCE, NOT_TAKEN, OUTSIDE_RANGE, PAST_FILES, REJECTED
from manifests.manifest import Manifest
from manifests.words import SHORT_ID, count, cut

MOST_CHANGES = 20  # of one section, shown
_LONGEST_JSON_VALUE = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Two manifests compared. `causes` are sentences, the likeliest first; `changes` the fields by section."""

    first: Manifest
    second: Manifest
    rows: RowsDifference
    changes: Mapping[str, Sequence[Change]]
    tools: Sequence[Change]
    causes: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether both are one manifest."""
        return self.first.id == self.second.id


def diff(first: Manifest, second: Manifest) -> Difference:
    """Compare two manifests."""
    rows = compare_rows(first, second)
    changes = compare_identities(first.identity, second.identity)
    causes = likely_causes(first.identity, second.identity, rows, changes)
    return Difference(first, second, rows, changes, compare_tools(first, second), tuple(causes))


def difference_json(difference: Difference) -> dict[str, object]:
    """What `manifests diff --json` prints. Lists of changes hold the first 20; `changed` counts them all."""
    rows = asdict(difference.rows)
    absences = rows.pop("absences")
    return {
        "a": difference.first.id,
        "b": difference.second.id,
        "identical": difference.identical,
        "cause": difference.causes[0],
        "causes": list(difference.causes),
        "same_rows": difference.rows.same_rows,
        "rows": rows,
        "why": absences,
        "changed": {section: len(difference.changes.get(section, ())) for section in SECTIONS},
        **{section: _changes_json(difference.changes.get(section, ())) for section in SECTIONS},
        "tools": _changes_json(difference.tools),
    }


def _changes_json(changes: Sequence[Change]) -> list[dict[str, str | None]]:
    return [
        {
            "where": cut(change.where, _LONGEST_JSON_VALUE),
            "a": None if change.first is None else cut(change.first, _LONGEST_JSON_VALUE),
            "b": None if change.second is None else cut(change.second, _LONGEST_JSON_VALUE),
        }
        for change in changes[:MOST_CHANGES]
    ]


def difference_lines(difference: Difference) -> list[str]:
    """What `manifests diff` prints for people: the verdict, the rows, why, and what the identities say otherwise."""
    rows = difference.rows
    lines = [
        f"{label} {cut(manifest.name)} {manifest.id[:SHORT_ID]} ({manifest.identity.rows:,} rows)"
        for label, manifest in (("A", difference.first), ("B", difference.second))
    ]
    lines.append(difference.causes[0])
    lines += [f"also: {cause}" for cause in difference.causes[1:]]
    if difference.identical:
        return lines
    lines += [
        f"  rows in both       {rows.common:>10,}{_order(rows)}",
        f"  with other content {rows.changed:>10,}{_examples(rows.changed_examples)}",
        f"  only in A          {rows.only_first:>10,}   contents only in A {rows.contents_only_first:,}",
        f"  only in B          {rows.only_second:>10,}   contents only in B {rows.contents_only_second:,}",
    ]
    lines += [f"  {_absence(absence)}" for absence in rows.absences]
    if rows.absences_left_off:
        lines.append(f"  and {count(rows.absences_left_off, 'more reason')}")
    for section, changed in [*difference.changes.items(), ("tools", difference.tools)]:
        if changed:
            lines.append(section)
            lines += [f"  {shown(change).removeprefix(f'{section}.')}" for change in changed[:MOST_CHANGES]]
        if len(changed) > MOST_CHANGES:
            lines.append(f"  and {count(len(changed) - MOST_CHANGES, 'more change')}")
    return lines


def _order(rows: RowsDifference) -> str:
    return "" if rows.common < 2 else "   in the same order" if rows.same_order else "   in another order"  # noqa: PLR2004 - one row has no order


def _examples(examples: Sequence[str]) -> str:
    return f"   e.g. {', '.join(cut(example) for example in examples)}" if examples else ""


def _absence(absence: Absence) -> str:
    other = {"a": "B", "b": "A"}[absence.only_in]
    reasons = {
        REJECTED: f"rejected at {absence.stage}: {absence.reason}",
        NOT_TAKEN: "not taken by the draw",
        OUTSIDE_RANGE: "outside the raw range",
        PAST_FILES: "past the files",
        NO_SOURCE: "no such source",
    }
    examples = _examples([f"{absence.source}:{row}" for row in absence.examples])
    return f"{count(absence.rows, 'row')} of {absence.source} not in {other}: {reasons[absence.status]}{examples}"
