"""The steps of a soak: each draws what it does from its own numbers, does it, and says what it did in a line.

What a step leaves is checked by `invariants` afterwards; what its commands say of themselves is checked here.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soaking.commands import BreachError, Commands, Ended, hint
from benchmarks.soaking.invariants import Watched
from benchmarks.soaking.world import COUNTS, NEEDS
from curation.build import build as library_build
from curation.recipe_reader import read_recipe
from curation.regenerate import regenerate as library_regenerate
from manifests.errors import ZeroCostError
from manifests.publish import is_whole

DONE, NO, WRONG = 0, 1, 2


@dataclass
class Soak:
    """A store under fire: how its commands are run, what is watched of it, and a folder for what is exported.

    `disk` is the small disk that the store lies on, if it does; `kills` counts those that struck.
    """

    watched: Watched
    commands: Commands
    folder: Path
    disk: Path | None = None
    kills: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"": 2.0})

    def recipes(self) -> list[str]:
        """The recipes that can be built now, sorted."""
        world, named = self.watched.world, {name for name, _ in self.watched.names}
        return sorted(
            recipe for recipe in world.recipes if NEEDS.get(recipe, "plain") in named or recipe not in NEEDS
        )

    def ids(self) -> list[str]:
        """The manifests that are there, sorted."""
        return sorted(self.watched.manifests)

    def sources(self, identifier: str) -> list[str]:
        """Flags that say where the sources of a manifest are."""
        manifest = self.watched.store.manifest(identifier)
        world = self.watched.world.sources
        return hint(
            {one.name: world / "three" if one.name == "three" else world for one in manifest.identity.sources}
        )

    def dataset(self, identifier: str) -> Path:
        """Where the dataset of a manifest lies, if it does."""
        return self.watched.store.root / "datasets" / identifier

    def built(self, recipe: str, ended: Ended) -> None:
        """A build that is done."""
        identifier = self.watched.world.ids[recipe]
        if ended.told(DONE).result["id"] != identifier:
            raise BreachError(f"{ended.command}: {ended.result['id']}, expected {identifier}")
        self.watched.loose.discard(identifier)


def build(draw: random.Random, soak: Soak) -> str:
    """One to three builds at the same time, of the same recipe or of others."""
    chosen = draw.choices(soak.recipes(), k=draw.choice((1, 1, 2, 3)))
    workers = draw.choice((1, 2))
    ended = soak.commands.run_all(
        [("curation", "build", soak.watched.world.recipes[recipe], "--workers", workers) for recipe in chosen]
    )
    for recipe, one in zip(chosen, ended, strict=True):
        soak.built(recipe, one)
    return f"built {', '.join(chosen)}"


def kill(draw: random.Random, soak: Soak) -> str:
    """SIGKILL a command at a moment of its life."""
    recipe, moment = draw.choice(soak.recipes()), draw.random()
    kind = draw.choice(("build", "build", "regenerate", "verify", "audit", "export", "gc"))
    ids = soak.ids()
    identifier = draw.choice(ids) if ids else ""
    out = soak.folder / "killed"
    match kind:
        case "regenerate" if identifier:
            soak.watched.loose.add(identifier)
            shutil.rmtree(soak.dataset(identifier), ignore_errors=True)
            command = ["curation", "regenerate", identifier, *soak.sources(identifier)]
        case "verify" if identifier:
            command = ["manifests", "verify", identifier, "--deep"]
        case "audit" if len(ids) > 1:
            command = ["manifests", "audit", *draw.sample(ids, 2)]
        case "export" if identifier:
            command = ["manifests", "export", identifier, "--format", "hub", "--out", str(out)]
        case "gc" if ids:
            command = ["manifests", "gc"]
        case _:
            command = [
                "curation",
                "build",
                str(soak.watched.world.recipes[recipe]),
                "--workers",
                draw.choice("12"),
            ]
    seconds = moment * 2.5 if command[1] in {"build", "regenerate"} else moment * 1.5
    struck = soak.commands.kill(seconds, *command)
    soak.kills += struck
    shutil.rmtree(out, ignore_errors=True)
    for staged in soak.folder.glob(".staging-*"):  # beside where the export would have been: nobody's store
        shutil.rmtree(staged)
    return f"{'killed' if struck else 'came too late to kill'} {command[1]} after {seconds:.2f} s"


def regenerate(draw: random.Random, soak: Soak) -> str:
    """A dataset is deleted or damaged; verify tells, regenerate rebuilds it."""
    if not soak.ids():
        return "nothing to damage yet"
    identifier = draw.choice(soak.ids())
    was_loose = identifier in soak.watched.loose
    soak.watched.loose.add(identifier)
    what = damage(draw, soak.dataset(identifier))
    manifest = soak.watched.store.manifest(identifier)
    whole = soak.dataset(identifier).is_dir() and is_whole(soak.dataset(identifier), manifest)
    seen = soak.commands.run("manifests", "verify", identifier, "--dataset").told(DONE, NO, WRONG)
    if (seen.status == DONE) > whole:
        raise BreachError(f"{seen.command}: says that a dataset holds of which {what} ({was_loose = })")
    if whole:  # what was flipped means nothing to a reader; the other bytes would stay
        shutil.rmtree(soak.dataset(identifier))
    ended = soak.commands.run("curation", "regenerate", identifier, *soak.sources(identifier)).told(DONE)
    if ended.result["content_digest"] != manifest.content_digest:
        raise BreachError(f"{ended.command}: another content_digest")
    soak.watched.loose.discard(identifier)
    return f"{what}: verify ended with {seen.status}, regenerated"


def damage(draw: random.Random, dataset: Path) -> str:
    """Do something to a dataset; what it was."""
    parts = sorted((dataset / "data").glob("*.parquet")) if dataset.is_dir() else []
    kind, at = draw.choice(("deleted", "bit", "bit", "cut", "part deleted")), draw.random()
    if kind == "deleted" or not parts:
        shutil.rmtree(dataset, ignore_errors=True)
        return "dataset deleted"
    path = draw.choice(parts)
    data = bytearray(path.read_bytes())
    place = int(at * len(data))
    match kind:
        case "bit":
            data[place] ^= 1 << draw.randrange(8)
            path.write_bytes(data)
            return f"a bit of byte {place:,} of {len(data):,} flipped"
        case "cut":
            path.write_bytes(data[:place])
            return f"{len(data):,} bytes cut to {place:,}"
    path.unlink()
    return "a part of a dataset deleted"


def full_disk(draw: random.Random, soak: Soak) -> str:
    """A build or regeneration that finds the disk full, or may not write large files."""
    recipe, share = draw.choice(soak.recipes()), draw.random()
    identifier = soak.watched.world.ids[recipe]
    command = ["curation", "build", str(soak.watched.world.recipes[recipe]), "--workers", draw.choice("12")]
    if identifier in soak.watched.manifests and draw.random() < 0.5:  # noqa: PLR2004
        soak.watched.loose.add(identifier)
        shutil.rmtree(soak.dataset(identifier), ignore_errors=True)
        command = ["curation", "regenerate", identifier, *soak.sources(identifier)]
    with ballast(soak.disk, int(share * 1_500_000)):
        limit = int(share * 400_000) if soak.disk is None else None
        ended = soak.commands.run(*command, largest_file=limit).told(DONE, WRONG)
    if ended.status == DONE:
        soak.watched.loose.discard(identifier)
    return f"{command[1]} with {share:.0%} of the room it has: exit status {ended.status}"


@contextmanager
def ballast(disk: Path | None, left: int) -> Iterator[None]:
    """Fill a disk so that so many bytes are left, for a while. Nothing where there is no small disk."""
    if disk is None:
        yield
        return
    path, room = disk / "ballast", os.statvfs(disk)
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - left))
        yield
    finally:
        path.unlink()


def unreadable(draw: random.Random, soak: Soak) -> str:
    """A source, or a part of a dataset, that may not be read."""
    recipe = draw.choice(soak.recipes())
    world, ids = soak.watched.world, soak.ids()
    if ids and draw.random() < 0.5:  # noqa: PLR2004
        identifier = draw.choice(ids)
        parts = sorted((soak.dataset(identifier) / "data").glob("*.parquet"))
        if not parts:
            return "no dataset to close"
        with closed(draw.choice(parts)):
            soak.commands.run("manifests", "verify", identifier, "--dataset").told(NO, WRONG)
        return "a dataset that may not be read was told of"
    with closed(
        world.sources / "one.jsonl", world.sources / "two.csv", world.sources / "three" / "1.parquet"
    ):
        ended = soak.commands.run("curation", "build", world.recipes[recipe]).told(WRONG)
    return f"sources that may not be read were told of: {ended.said.strip()[-60:]}"


@contextmanager
def closed(*paths: Path) -> Iterator[None]:
    """Files that nobody may read, for a while."""
    try:
        for path in paths:
            path.chmod(0)
        yield
    finally:
        for path in paths:
            path.chmod(0o644)


def audit(draw: random.Random, soak: Soak) -> str:
    """An audit of two manifests counts what it counts in the undisturbed store."""
    ids = soak.ids()
    if len(ids) < 2:  # noqa: PLR2004
        return "too few manifests for an audit"
    world = soak.watched.world
    pair = draw.choice([pair for pair in world.audits if set(pair) <= set(ids)])
    counts = world.audits[pair]
    ended = soak.commands.run("manifests", "audit", *pair).told(NO if counts[0] or counts[1] else DONE)
    found = tuple(ended.result[count] for count in COUNTS)
    if found != counts:
        raise BreachError(f"{ended.command}: {found}, expected {counts}")
    return f"audited {pair[0][:8]} and {pair[1][:8]}: {counts}"


def verify(draw: random.Random, soak: Soak) -> str:
    """A manifest verifies, deep, by its name if it has one."""
    names = sorted(soak.watched.names.items())
    if not names:
        return "nothing to verify yet"
    (name, number), identifier = draw.choice(names)
    if identifier in soak.watched.loose:
        soak.commands.run("manifests", "verify", f"{name}:{number}").told(DONE)
        return f"verified {name}:{number} without its dataset"
    ended = soak.commands.run("manifests", "verify", f"{name}:{number}", "--deep").told(DONE)
    if ended.result["id"] != identifier:
        raise BreachError(f"{ended.command}: {ended.result['id']}, expected {identifier}")
    return f"verified {name}:{number}"


def clean_up(_draw: random.Random, soak: Soak) -> str:
    """`gc` leaves nothing in the making; a second finds nothing."""
    removed = soak.commands.run("manifests", "gc").told(
        *((DONE,) if soak.watched.store.root.is_dir() else (WRONG,))
    )
    if staged := list(soak.watched.store.root.rglob(".staging-*")):
        raise BreachError(f"gc left {staged[0]}")
    if removed.status == DONE and soak.commands.run("manifests", "gc").told(DONE).result["removed"]:
        raise BreachError("a second gc found something to remove")
    return f"gc removed {len(removed.result['removed']) if removed.status == DONE else 0}"


def export(draw: random.Random, soak: Soak) -> str:
    """An export is a store of its own that verifies."""
    ids = [identifier for identifier in soak.ids() if identifier not in soak.watched.loose]
    if not ids:
        return "nothing to export yet"
    identifier, out = draw.choice(ids), soak.folder / "export"
    form = draw.choice(("hub", "croissant", "kaggle"))
    soak.commands.run("manifests", "export", identifier, "--format", form, "--out", out).told(DONE)
    Commands(out).run("manifests", "verify", identifier, "--dataset").told(DONE)
    shutil.rmtree(out)
    return f"exported {identifier[:8]} as {form}"


Step = Callable[[random.Random, Soak], str]
STEPS: dict[Step, int] = {
    build: 4,
    kill: 5,
    regenerate: 3,
    full_disk: 2,
    unreadable: 1,
    audit: 1,
    verify: 1,
    clean_up: 1,
    export: 1,
}
"""Each step, and how often it is drawn."""


def finish(soak: Soak) -> None:
    """Build every recipe and rebuild every dataset, clean up, and hold all files to those of the undisturbed store."""
    watched, world = soak.watched, soak.watched.world
    try:
        for recipe in sorted(world.recipes, key=lambda recipe: recipe in NEEDS):
            identifier = library_build(read_recipe(world.recipes[recipe]), watched.store).manifest.id
            if identifier != world.ids[recipe]:
                raise BreachError(f"build of {recipe}: {identifier}, expected {world.ids[recipe]}")
        for identifier in sorted(watched.loose):
            library_regenerate(watched.store, identifier, {})
    except ZeroCostError as error:
        raise BreachError(f"the end: {error}") from error
    watched.loose.clear()
    clean_up(random.Random(0), soak)
    watched.check_end()
