"""Sessions that share rows in every tier, for the tests of the audit's page."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from manifests.audit import Audit, Match, Shared, audit
from manifests.keys import Trace
from manifests.lineage import lineage
from manifests.page.document import audit_page
from manifests.page.samples import look_up
from manifests.store import Store
from tests.manifests.helpers import build_manifest, traces, write_jsonl

HOSTILE = Trace(
    "<script>document.title='taken';alert(1)</script> & &amp; </style></title> ]]> <!-- \u202ereversed\u202c",
    "a\x00b\x1b[2J \u200bzero <img src=x onerror=alert(2)> \r\nline \x85 " + "w" * 3_000,
    "<svg onload=alert(3)></svg><a href='javascript:alert(4)'>السلام عليكم</a> --> 一二三",
)
CHANGED = HOSTILE._replace(reasoning=HOSTILE.reasoning.replace("zero", "one"), answer="جواب آخر")


def build_sessions(root: Path) -> Store:
    """A store with five sessions below `root`.

    session1 and session2 share contents and prompts of other files; session3 holds rows of session1's own file, and
    goes on from nothing; session4 is built on session3 and session1, and repeats nothing;
    session5 on session4 and session1.
    """
    path = root / "store"
    first = write_jsonl(root / "first.jsonl", [HOSTILE, *traces(20)])
    second = [trace._replace(reasoning=f"{trace.reasoning} Again.") for trace in traces(5, first=11)]
    build_manifest(path, "session1", {"glaive": first, "other": write_jsonl(root / "o.jsonl", traces(3, 70))})
    build_manifest(
        path, "session2", {"raiden": write_jsonl(root / "second.jsonl", [CHANGED, *second, *traces(4)])}
    )
    build_manifest(path, "session3", {"openo1": first}, openo1={"rows": [18, 21]})
    build_manifest(
        path,
        "session4",
        {"cot": write_jsonl(root / "fourth.jsonl", traces(6, first=100))},
        disjoint={"from": ["session3", "session1"]},
    )
    build_manifest(
        path,
        "session5",
        {"cot": write_jsonl(root / "fifth.jsonl", traces(2, first=200))},
        disjoint={"from": ["session4", "session1"]},
    )
    return Store(path, behind=())


def audited(store: Store, *references: str, tiers: tuple[str, ...] = ("row", "content")) -> Audit:
    """The audit of some of these sessions."""
    return audit([store.manifest(reference) for reference in references], tiers)


def with_near(outcome: Audit, *, tiers: tuple[str, ...] = ("row", "near"), left_out: int = 0) -> Audit:
    """The same audit of two sessions as if it had found near duplicates: 3 rows, that resemble 2."""
    name = [manifest.identity.sources[0].name for manifest in outcome.manifests]
    example = Match((name[0], 1), (name[1], 1), 0.8125)
    near = Shared(3, {name[0]: 2}, {name[1]: 3}, (example,), left_out)
    pair = replace(outcome.pairs[0], shared={**outcome.pairs[0].shared, "near": near})
    return replace(outcome, pairs=(pair,), tiers=tiers, threshold=Decimal("0.7"))


def page_of(store: Store, outcome: Audit) -> str:
    """The page of an audit."""
    looked = look_up(store, outcome)
    trees = [lineage(store, manifest) for manifest in outcome.manifests]
    return audit_page(outcome, trees, looked.samples, looked.without_text)
