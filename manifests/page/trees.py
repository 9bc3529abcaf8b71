"""Lineages as nested lists. Pure."""

from collections.abc import Set as AbstractSet

from manifests.lineage import Node
from manifests.page.markup import EMPTY, Markup, joined, number, tag, text

_RELATIONS = {"disjoint": "disjoint from", "continue": "continues"}


def tree(root: Node, compared: AbstractSet[str]) -> Markup:
    """A manifest and below it its parents, below each of them theirs. `compared` are the ids of the manifests audited.

    What stands in the tree several times has its parents where it stands first.
    """
    seen: set[str] = set()

    def item(node: Node) -> Markup:
        again = node.id in seen
        seen.add(node.id)
        parents = EMPTY if again else joined(*(item(parent) for parent in node.parents))
        below = tag("ul", parents) if parents else EMPTY
        return tag("li", _line(node, compared=node.id in compared, again=again), below)

    return tag("div", tag("ul", item(root), class_="tree"), class_="scroll", tabindex=0)


def _line(node: Node, *, compared: bool, again: bool) -> Markup:
    relation = EMPTY if node.relation is None else text(f"{_RELATIONS.get(node.relation, node.relation)} ")
    rows = (
        text("not in the store")
        if node.rows is None
        else joined(number(node.rows, data_lineage=node.id), text(" rows"))
    )
    notes = [rows]
    notes += [text("compared here")] if compared else []
    notes += [text("drawn above")] if again else []
    told = [joined(text(" · "), note) for note in notes]
    return joined(
        tag("span", relation, class_="relation") if relation else EMPTY,
        tag("bdi", text(node.label), class_="label"),
        tag("span", *told, class_="quiet"),
    )
