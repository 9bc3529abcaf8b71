"""What a reader may find in a store while publishers die in it, and what the next publisher makes of it."""

from dataclasses import dataclass
from pathlib import Path

from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.dataset import total_rows
from manifests.garbage import NO_MANIFEST, STAGED, collect_garbage
from manifests.manifest import Manifest
from manifests.publish import is_whole
from manifests.store import Store
from tests.manifests.helpers import files_below, traces, write_jsonl

RECIPE = """name = "mix"
order = "sequential"
[[source]]
name = "traces"
files = "traces.jsonl"
columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }
"""


def write_recipe(folder: Path) -> Path:
    """Write a small recipe and its source; its path."""
    write_jsonl(folder / "traces.jsonl", traces(20))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


def visible(root: Path) -> dict[str, bytes]:
    """The files that a reader of a store sees, without receipts, which hold the time."""
    return {
        path: data
        for path, data in files_below(root).items()
        if not any(part.startswith(".") for part in path.split("/")) and not path.endswith("/receipt.json")
    }


def staged_in(root: Path) -> list[str]:
    """What is in the making in a store, or was."""
    return sorted(str(path.relative_to(root)) for path in root.rglob(".staging-*"))


@dataclass(frozen=True)
class Undisturbed:
    """A publish that nothing disturbed, and a place for those that something will."""

    recipe: Path
    manifest: Manifest
    files: dict[str, bytes]

    @classmethod
    def in_folder(cls, folder: Path) -> "Undisturbed":
        """Write the recipe and publish it into a store of its own."""
        recipe = write_recipe(folder)
        store = Store(folder / "undisturbed", behind=())
        manifest = build(read_recipe(recipe), store, workers=1).manifest
        return cls(recipe, manifest, visible(store.root))

    def hold_to_the_reader(self, root: Path) -> tuple[bool, bool, bool]:
        """Whether a reader finds dataset, manifest and name. What is found is whole, and nothing else is there."""
        store = Store(root, behind=())
        names = [(version.name, version.number, version.id) for version in store.versions()]
        assert names in ([], [("mix", 1, self.manifest.id)])
        assert store.ids() in ([], [self.manifest.id])
        if store.ids():
            manifest = store.manifest(self.manifest.id)
            assert manifest.rows.equals(self.manifest.rows)
            assert total_rows(store.dataset_blocks(manifest)) == manifest.identity.rows
        dataset = (root / "datasets" / self.manifest.id).exists()
        if dataset:
            assert is_whole(root / "datasets" / self.manifest.id, self.manifest)
        seen = visible(root)
        assert seen == {path: self.files[path] for path in seen}
        found = dataset, bool(store.ids()), bool(names)
        assert found == tuple(sorted(found, reverse=True)), (
            "a name before its manifest, or that before its dataset"
        )
        return found

    def clean(self, root: Path) -> None:
        """Let `manifests gc` clean up. Of the dead nothing is left, of what was published nothing is missing."""
        if not root.exists():
            return
        before, published = visible(root), Store(root, behind=()).ids()
        removed = collect_garbage(Store(root, behind=()))
        assert {garbage.reason for garbage in removed} <= {STAGED, NO_MANIFEST}
        assert staged_in(root) == []
        kept = {path: data for path, data in before.items() if published or not path.startswith("datasets/")}
        assert visible(root) == kept
        assert collect_garbage(Store(root, behind=())) == ()

    def finish(self, root: Path) -> None:
        """Let the same command run again. It gives the same id and the same files."""
        built = build(read_recipe(self.recipe), Store(root, behind=()), workers=1)
        assert (built.manifest.id, built.version.number) == (self.manifest.id, 1)
        assert visible(root) == self.files
        assert self.hold_to_the_reader(root) == (True, True, True)
