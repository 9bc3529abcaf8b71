"""What must hold of a store after every step of a soak, and at its end."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchmarks.soaking.commands import BreachError
from benchmarks.soaking.world import World
from manifests.errors import ZeroCostError
from manifests.publish import is_whole
from manifests.store import Store

_KEPT = ("manifest.json", "rows.parquet", "rejects.parquet")  # the receipt holds the time


@dataclass
class Watched:
    """A store under fire, and what was seen of it: names are never lost or moved, whatever dies.

    `loose` are ids whose datasets somebody deleted or damaged on purpose and nobody has rebuilt since.
    """

    world: World
    store: Store
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    manifests: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Raise BreachError where something does not hold."""
        try:
            self._check_names()
            self._check_manifests()
            self._check_datasets()
        except ZeroCostError as error:
            raise BreachError(f"a store that can't be read: {error}") from error

    def _check_names(self) -> None:
        found = {(version.name, version.number): version.id for version in self.store.versions()}
        for version, identifier in self.names.items():
            if found.get(version) != identifier:
                raise BreachError(f"name {version}: it was {identifier}, now it is {found.get(version)}")
        for name in {name for name, _ in found}:
            ids = [found[version] for version in sorted(found) if version[0] == name]
            if [number for one, number in sorted(found) if one == name] != list(range(1, len(ids) + 1)):
                raise BreachError(f"name {name}: its versions are not numbered through: {sorted(found)}")
            if not set(ids) <= self.world.allowed(name):
                raise BreachError(f"name {name}: {ids}, a build of it gives {self.world.allowed(name)}")
            if any(one == next_one for one, next_one in pairwise(ids)):
                raise BreachError(f"name {name}: two versions one after another are the same: {ids}")
        self.names = found

    def _check_manifests(self) -> None:
        ids = set(self.store.ids())
        if missing := (set(self.names.values()) | self.manifests) - ids:
            raise BreachError(f"manifests that were there, or have a name, are gone: {sorted(missing)}")
        for identifier in ids:
            manifest = self.store.manifest(identifier)
            for file in _KEPT:
                if (manifest.folder / file).read_bytes() != (
                    self.world.clean.root / "manifests" / identifier / file
                ).read_bytes():
                    raise BreachError(
                        f"manifest {identifier}: {file} is another than an undisturbed build writes"
                    )
        self.manifests = ids

    def _check_datasets(self) -> None:
        for identifier in self.manifests - self.loose:
            folder = self.store.root / "datasets" / identifier
            if not folder.is_dir():
                raise BreachError(f"dataset {identifier} is gone")
            if not is_whole(folder, self.store.manifest(identifier)):
                raise BreachError(f"dataset {identifier} is not its manifest's")

    def check_end(self) -> None:
        """After everything was built and rebuilt and `gc` has run: the undisturbed store's files, and nothing else."""
        self.check()
        found, wanted = _files(self.store.root), _files(self.world.clean.root)
        names = {
            f"refs/{name}/{number}": f"{identifier}\n".encode()
            for (name, number), identifier in self.names.items()
        }
        wanted = {path: data for path, data in wanted.items() if not path.startswith("refs/")} | names
        if beside := sorted(set(found) - set(wanted)):
            raise BreachError(f"files beside what the store must have: {', '.join(beside[:5])}")
        if lost := sorted(set(wanted) - set(found)):
            raise BreachError(f"files lost: {', '.join(lost[:5])}")
        if other := [path for path in sorted(wanted) if found[path] != wanted[path]]:
            raise BreachError(f"files with other bytes than after undisturbed builds: {', '.join(other[:5])}")
        folders = {
            str(path.relative_to(self.store.root)) for path in self.store.root.rglob("*") if path.is_dir()
        }
        if empty := sorted(one for one in folders if not any(path.startswith(f"{one}/") for path in found)):
            raise BreachError(f"empty folders: {', '.join(empty[:5])}")


def _files(root: Path) -> dict[str, bytes]:
    """Every file of a store; of receipts, which hold the time, only that they are there."""
    files = (path for path in root.rglob("*") if not path.is_dir())
    return {
        str(path.relative_to(root)): b"" if path.name == "receipt.json" else path.read_bytes()
        for path in files
    }
