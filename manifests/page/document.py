"""The page of an audit: one HTML document that needs nothing else. Pure.

No script runs in it and nothing is fetched: its own policy forbids both, but for the one style sheet whose digest it
names (https://www.w3.org/TR/CSP3/). It has no time stamp of its own: the same audit of the same store gives the same
bytes.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from manifests.audit import DEFAULT_THRESHOLD, MANY_ROWS, NEAR, TIERS, Audit, Pair
from manifests.lineage import Node
from manifests.manifest import Manifest
from manifests.page.cases import cases, without_text
from manifests.page.examples import MOST_OF_A_PAIR, Example, Samples, shown_examples
from manifests.page.head import page_head
from manifests.page.markup import EMPTY, Markup, joined, number, tag, text
from manifests.page.style import STYLE
from manifests.page.tables import matrices, shared_table, source_tables
from manifests.page.trees import tree
from manifests.page.words import listed, names, verdict
from manifests.similarity.sketch import SKETCH_BYTES, standard_error

_LONGEST_TIME = 40
_MOST_NAMED = 3


def audit_page(audit: Audit, lineages: Sequence[Node], samples: Samples, reasons: Mapping[int, str]) -> str:
    """The page as HTML, to be encoded as UTF-8.

    `lineages` are the trees of the manifests, in the audit's order; `samples` what is known of the example rows, and
    `reasons` why a manifest's texts are not shown, by its place in the audit (`manifests.page.samples`).
    """
    title = _title(audit)
    head = page_head(title, STYLE)
    main = tag(
        "main",
        tag("header", tag("p", text("Overlap audit"), class_="kind"), tag("h1", text(title))),
        _verdict(audit),
        _compared(audit),
        _shared(audit, shown_examples(audit), samples, reasons),
        _lineages(audit, lineages),
        _method(audit),
        _repeat(audit),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{main}</body></html>\n'


def _title(audit: Audit) -> str:
    name = names(audit)
    if len(name) <= _MOST_NAMED:
        return " × ".join(name)
    return f"{len(name)} manifests, {name[0]} to {name[-1]}"


def _verdict(audit: Audit) -> Markup:
    told = verdict(audit)
    word = "Overlap" if told.overlapping else "No overlap"
    return tag(
        "section",
        tag("p", text(word), class_="word", data_overlap=str(told.overlapping).lower()),
        tag("h2", text(told.sentence)),
        *(tag("p", text(remark)) for remark in told.remarks),
        class_="verdict bad" if told.overlapping else "verdict good",
    )


def _compared(audit: Audit) -> Markup:
    cards = [_card(place, audit) for place in range(len(audit.manifests))]
    return tag("section", tag("h2", text("What was compared")), tag("div", *cards, class_="cards"))


def _card(place: int, audit: Audit) -> Markup:
    manifest = audit.manifests[place]
    facts = [
        ("id", tag("code", text(manifest.id), data_manifest=place, data_field="id")),
        ("rows", number(manifest.identity.rows, data_manifest=place, data_field="rows")),
        ("rejected", number(manifest.identity.rejects)),
        ("built", text(_built(manifest))),
        ("content digest", tag("code", text(manifest.content_digest))),
        ("sources", text(", ".join(source.name for source in manifest.identity.sources))),
        ("sketches", text("yes" if manifest.identity.sketched else "none")),
    ]
    terms = [joined(tag("dt", text(term)), tag("dd", fact)) for term, fact in facts]
    heading = tag(
        "h3", tag("span", text(f"{place + 1} "), class_="quiet"), tag("bdi", text(names(audit)[place]))
    )
    return tag("article", heading, tag("dl", *terms), class_="card")


def _built(manifest: Manifest) -> str:
    """When it was built, as its receipt says; that is no part of its identity."""
    return str(manifest.receipt.get("created") or "not recorded")[:_LONGEST_TIME]


def _shared(
    audit: Audit, examples: Sequence[list[Example]], samples: Samples, reasons: Mapping[int, str]
) -> Markup:
    if len(audit.pairs) == 1:
        return _pair("What they share", audit, audit.pairs[0], (examples[0], samples, reasons))
    name = names(audit)
    sections = [
        _pair(f"{name[pair.first]} × {name[pair.second]}", audit, pair, (shown, samples, reasons))
        for pair, shown in zip(audit.pairs, examples, strict=True)
        if any(shared.keys for shared in pair.shared.values())
    ]
    rest = len(audit.pairs) - len(sections)
    told = f"{rest:,} of {len(audit.pairs):,} pairs share nothing in any tier counted."
    if sections:
        told += " Each of the others has its own section below."
    top = tag("section", tag("h2", text("What they share")), tag("p", text(told)), matrices(audit))
    return joined(top, *sections)


def _pair(
    title: str,
    audit: Audit,
    pair: Pair,
    shown: tuple[list[Example], Samples, Mapping[int, str]],
) -> Markup:
    examples, samples, reasons = shown
    parts = [shared_table(audit, pair), tag("h3", text("By source")), source_tables(audit, pair)]
    if any(shared.examples for shared in pair.shared.values()):
        parts += [tag("h3", text("Examples")), _about_examples(examples)]
        if examples:
            parts += [without_text(audit, pair, reasons), cases(audit, pair, examples, samples, "h4")]
    return tag("section", tag("h2", text(title)), *parts)


def _about_examples(examples: list[Example]) -> Markup:
    if not examples:
        return tag("p", text("None here: this page has as many examples as it may have."), class_="quiet")
    return tag(
        "p",
        text(
            f"The first rows that match, at most {MOST_OF_A_PAIR}. Of long texts the part around the first difference; "
        ),
        tag("mark", text("marked")),
        text(" words are not in the other text. Characters that can't be seen stand as their code points."),
        class_="quiet",
    )


def _lineages(audit: Audit, lineages: Sequence[Node]) -> Markup:
    compared = {manifest.id for manifest in audit.manifests}
    trees = [tree(node, compared) for node in lineages]
    return tag("section", tag("h2", text("Lineage")), tag("p", text(_LINEAGE), class_="quiet"), *trees)


_LINEAGE = "What each manifest was built on: its parents stand below it, and theirs below them."


def _method(audit: Audit) -> Markup:
    told = [
        ("Same origin row", _ROW),
        ("Same content", _CONTENT),
        ("Same prompt", _PROMPT),
        ("Near duplicate", _near(audit)),
        ("Counts", _COUNTS),
    ]
    asked = listed([tier for tier in TIERS if tier in audit.tiers], "and")
    terms = [joined(tag("dt", text(term)), tag("dd", text(meaning))) for term, meaning in told]
    return tag(
        "section",
        tag("h2", text("How it was counted")),
        tag("p", text(f"{_TRUSTED} The verdict was asked for by these tiers: {asked}.")),
        tag("dl", *terms, class_="method"),
        _threshold(audit),
    )


_TRUSTED = (
    "The counts come from the manifests alone, every table of which was read whole and held against its digests. "
    "Every tier is counted."
)
_ROW = "The same row of the same file: of the Hub's by repository, revision and path, of a local one by its SHA-256."
_CONTENT = "Prompt, reasoning and answer are each equal, byte for byte (a 128-bit digest of the three)."
_PROMPT = "The prompts are equal, but for the case of ASCII letters and for runs of white space."
_COUNTS = (
    "Shared keys are distinct: what stands several times counts once. The rows that have such a key are counted beside "
    "them, and by source."
)


def _near(audit: Audit) -> str:
    if not any(NEAR in pair.shared for pair in audit.pairs):
        return (
            "Not counted: it needs manifests that carry sketches of their texts ('sketch = true' in the recipe), and "
            f"of more than {MANY_ROWS:,} rows it must be asked for."
        )
    error = standard_error(float(audit.threshold))
    told = (
        "Rows of the later manifest of a pair whose text is like one of the earlier: a Jaccard index of their runs of "
        f"five words of at least {audit.threshold}. Equal texts count too. It is estimated from sketches of "
        f"{SKETCH_BYTES} bytes a row; the standard error at that index is {error:.3f}."
    )
    if audit.confirmed:
        return (
            f"{told} What the sketches brought up was then held against the texts themselves: counts and similarities "
            "are the true ones."
        )
    return f"{told} The texts themselves were not looked at; '--verify-near' confirms each pair on them."


def _threshold(audit: Audit) -> Markup:
    confirmed = "confirmed on the texts" if audit.confirmed else "not confirmed on the texts"
    return (
        tag(
            "p",
            text("Threshold of near duplicates: "),
            tag("data", text(str(audit.threshold)), value=str(audit.threshold), data_field="threshold"),
            text(", "),
            tag("span", text(confirmed), data_confirmed=str(audit.confirmed).lower()),
            text("."),
            class_="quiet",
        )
        if any(NEAR in pair.shared for pair in audit.pairs)
        else EMPTY
    )


def _repeat(audit: Audit) -> Markup:
    return tag(
        "section",
        tag("h2", text("To repeat it")),
        tag("pre", tag("code", text(repeat_command(audit))), tabindex=0),
    )


def repeat_command(audit: Audit) -> str:
    """The command line that makes this audit again, wherever these manifests are."""
    words = [
        "manifests audit",
        *(manifest.id for manifest in audit.manifests),
        f"--tiers {','.join(audit.tiers)}",
    ]
    if audit.threshold != Decimal(DEFAULT_THRESHOLD):
        words.append(f"--threshold {audit.threshold}")
    if audit.confirmed:
        words.append("--verify-near")
    return " \\\n  ".join([*words, "--html audit.html"])
