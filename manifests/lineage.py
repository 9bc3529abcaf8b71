"""Lineage: which manifests a manifest was built on, and those in turn.

A manifest names its parents by id, and an id is a digest of what names it: no chain of parents comes back to itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manifests.errors import CommandError
from manifests.glance import find_identity, names_by_id
from manifests.manifest import Manifest
from manifests.store import Store
from manifests.words import SHORT_ID, count

MOST_GENERATIONS = 100
MOST_ANCESTORS = 1_000


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest in the tree of another.

    `label` is its names and the beginning of its id; `rows` is None when it is not in the store or damaged there.
    `relation` is what it is to the node below, None at the root. An ancestor that several manifests share has its own
    parents where it first stands, going from the root to each first parent first; elsewhere it has none.
    """

    id: str
    label: str
    rows: int | None
    relation: str | None
    parents: tuple["Node", ...]


def lineage(store: Store, manifest: Manifest) -> Node:
    """The tree of a manifest's ancestors. No dataset and no table is read.

    Raises CommandError past 100 generations or 1,000 ancestors.
    """
    names = names_by_id(store)
    seen: set[str] = set()

    def node(identifier: str, relation: str | None, generation: int) -> Node:
        if generation > MOST_GENERATIONS or len(seen) > MOST_ANCESTORS:
            raise _too_large(manifest.id)
        identity = manifest.identity if identifier == manifest.id else find_identity(store, identifier)
        rows, parents = (None, ()) if identity is None else (identity.rows, identity.parents)
        if identifier in seen:
            parents = ()
        seen.add(identifier)
        above = tuple(node(parent.id, parent.relation, generation + 1) for parent in parents)
        return Node(identifier, _label(identifier, names), rows, relation, above)

    return node(manifest.id, None, 0)


def ancestors(store: Store, manifests: Sequence[Manifest]) -> list[Manifest]:
    """All manifests that these were built on, verified: generation by generation, nearest first, each once.

    Within a generation they stand in the order of their children and of these's parents. Those given are left out.
    Raises UnknownManifestError for one that no store has, VerificationError for one that is damaged, CommandError past
    100 generations or 1,000 ancestors.
    """
    seen = {manifest.id for manifest in manifests}
    found: list[Manifest] = []
    generation = list(manifests)
    for _ in range(MOST_GENERATIONS + 1):
        wanted = dict.fromkeys(parent.id for child in generation for parent in child.identity.parents)
        new = [identifier for identifier in wanted if identifier not in seen]
        if not new:
            return found
        if len(found) + len(new) > MOST_ANCESTORS:
            break
        generation = [store.manifest(identifier) for identifier in new]
        seen.update(new)
        found += generation
    raise _too_large(manifests[0].id)


def lineage_lines(root: Node) -> list[str]:
    """The tree as text: the manifest, below it its parents, below each of them theirs."""
    lines = [_text(root)]
    seen = {root.id}

    def draw(node: Node, indent: str) -> None:
        for place, parent in enumerate(node.parents, 1):
            last = place == len(node.parents)
            again = parent.id in seen
            seen.add(parent.id)
            mark = ", drawn above" if again and parent.rows is not None else ""
            lines.append(f"{indent}{'└' if last else '├'}─ {parent.relation} {_text(parent)}{mark}")
            draw(parent, f"{indent}{' ' if last else '│'}  ")

    draw(root, "")
    return lines


def lineage_json(node: Node) -> dict[str, object]:
    """The tree as JSON: `id`, `label`, `rows`, `relation`, `parents`."""
    return {
        "id": node.id,
        "label": node.label,
        "rows": node.rows,
        "relation": node.relation,
        "parents": [lineage_json(parent) for parent in node.parents],
    }


def _text(node: Node) -> str:
    return f"{node.label} ({'not in the store' if node.rows is None else count(node.rows, 'row')})"


def _label(identifier: str, names: Mapping[str, Sequence[str]]) -> str:
    return " ".join([*names.get(identifier, [])[:3], identifier[:SHORT_ID]])


def _too_large(identifier: str) -> CommandError:
    return CommandError(
        f"manifest {identifier[:SHORT_ID]}: more than {MOST_GENERATIONS} generations or {MOST_ANCESTORS:,} ancestors; "
        "look at its parents one by one"
    )
