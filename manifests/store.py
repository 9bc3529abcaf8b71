"""The store: the folder of manifests, their names and their datasets.

Behind the store that a command works on stand the manifests that ship with the project (`manifests/published`, same
layout, without datasets): everything that reads searches both, only the first is ever written. A store may lie in an
object store: then its folder is this machine's mirror, into which `Upstream` brings what is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from manifests.dataset import read_dataset
from manifests.errors import (
    AmbiguousIdError,
    MissingDatasetError,
    NameNotAllowedError,
    StoreError,
    UnknownManifestError,
    VerificationError,
)
from manifests.json_object import HEX_64
from manifests.manifest import Manifest, read_manifest
from manifests.reading.bounded import check_regular

PUBLISHED = Path(__file__).parent / "published"

NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")
_HEX_ALONE = re.compile("[0-9a-f]{8,}")
VERSION = re.compile("[1-9][0-9]{0,8}")
LONGEST_REFERENCE = 200  # characters; an id and a line feed are 65


def check_name(name: str) -> str:
    """`name`, if it can be the name of a manifest; NameNotAllowedError otherwise."""
    if not NAME.fullmatch(name):
        raise NameNotAllowedError(
            f"name {name!r}: expected 1 to 64 of a-z, 0-9 and -, the first a letter or digit"
        )
    if _HEX_ALONE.fullmatch(name):
        raise NameNotAllowedError(
            f"name {name!r}: 8 or more hex digits alone could be taken for an id; choose another"
        )
    return name


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A version of a name: the `number`-th that was published under it."""

    name: str
    number: int
    id: str


class Upstream(Protocol):
    """An object store of which a folder on this machine is the mirror. What each method does: manifests/mirror.py."""

    @property
    def url(self) -> str:
        """Where it is."""

    @property
    def root(self) -> Path:
        """The mirror."""

    def ids(self) -> frozenset[str]:
        """The ids of all manifests there."""

    def bring_names(self, name: str | None) -> list[str]:
        """Make the mirror's versions of a name (or of all names) those of the store; what of all could not be read."""

    def bring_manifest(self, identifier: str) -> None:
        """Have a manifest in the mirror, if the store has it."""

    def bring_identity(self, identifier: str) -> Path | None:
        """A folder with at least the `manifest.json` of a manifest and its receipt; None where there is none."""

    def has_dataset(self, identifier: str) -> bool:
        """Whether the mirror or the store has the dataset of a manifest."""

    def bring_dataset(self, manifest: Manifest) -> None:
        """Have the dataset of a manifest in the mirror, if the store has it."""

    def prepare_to_publish(self) -> None:
        """Find out whether this process may publish there."""

    def send_dataset(self, folder: Path, manifest: Manifest) -> None:
        """Put what the store lacks of a dataset that is whole in `folder`."""

    def send_manifest(self, folder: Path) -> None:
        """Put what the store lacks of a manifest that is whole in `folder`."""

    def claim(self, name: str, number: int, identifier: str) -> str:
        """Give a version of a name to an id unless it is taken; the id that it has now."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store to work on, and the stores behind it that are only read."""

    root: Path
    behind: tuple[Path, ...] = (PUBLISHED,)
    upstream: Upstream | None = None

    @classmethod
    def open(cls, place: "Path | Upstream") -> "Store":
        """The store at a place (which need not exist yet), with the published manifests behind it."""
        if not isinstance(place, Path):
            return cls(place.root, upstream=place)
        root = place
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root}: a store is a folder, this is a file; choose another with --store")
        return cls(root)

    @property
    def roots(self) -> tuple[Path, ...]:
        """Every store searched, in order."""
        return (self.root, *self.behind)

    @property
    def where(self) -> str:
        """The store as a person named it."""
        return str(self.root) if self.upstream is None else self.upstream.url

    def ids(self) -> list[str]:
        """The ids of all manifests in all stores searched, sorted."""
        roots = self.roots if self.upstream is None else self.behind
        found = {folder.name for root in roots for folder in _entries(root / "manifests", HEX_64)}
        return sorted(found if self.upstream is None else found | self.upstream.ids())

    def versions(self, name: str | None = None) -> list[NamedVersion]:
        """All versions of a name (or of all names), by name and number; the first store that has one wins.

        Raises StoreError for a damaged version of that name; of all names those are passed over
        (`damaged_references` tells of them).
        """
        if self.upstream is not None:
            self.upstream.bring_names(None if name is None else check_name(name))
        found: dict[tuple[str, int], NamedVersion] = {}
        for root in self.roots:
            folders = _entries(root / "refs", NAME) if name is None else [root / "refs" / check_name(name)]
            for folder in folders:
                for path in _entries(folder, VERSION):
                    if name is None and _damage(path):
                        continue
                    version = NamedVersion(folder.name, int(path.name), read_reference(path))
                    found.setdefault((version.name, version.number), version)
        return [found[key] for key in sorted(found)]

    def damaged_references(self) -> list[str]:
        """What is wrong with versions of names that can't be read, a line each."""
        refused = [] if self.upstream is None else self.upstream.bring_names(None)
        return refused + [
            damage
            for root in self.roots
            for folder in _entries(root / "refs", NAME)
            for path in _entries(folder, VERSION)
            if (damage := _damage(path))
        ]

    def resolve(self, reference: str) -> str:
        """The id that a name, `name:version`, id or unique prefix of at least 8 digits stands for."""
        if _HEX_ALONE.fullmatch(reference):
            return self._by_prefix(reference)
        name, colon, wanted = reference.partition(":")
        check_name(name)
        if colon and not VERSION.fullmatch(wanted):
            raise NameNotAllowedError(f"{reference!r}: a version is a number from 1, as in {name}:1")
        versions = self.versions(name)
        if not versions:
            known = ", ".join(sorted({version.name for version in self.versions()})) or "none"
            raise UnknownManifestError(
                f"{reference!r}: no manifest of that name in {self._searched()}; names there: {known}"
            )
        for version in reversed(versions):
            if not colon or version.number == int(wanted):
                return version.id
        raise UnknownManifestError(f"{reference!r}: {name} has the versions 1 to {versions[-1].number}")

    def manifest(self, reference: str) -> Manifest:
        """The manifest that a reference stands for, verified.

        Raises UnknownManifestError, AmbiguousIdError, NameNotAllowedError, FormatError, VerificationError.
        """
        identifier = self.resolve(reference)
        folder = self.manifest_folder(identifier)
        if folder is None:
            raise UnknownManifestError(
                f"{reference!r}: its manifest {identifier} is not in {self._searched()}; fetch it again"
            )
        return read_manifest(folder)

    def manifest_folder(self, identifier: str) -> Path | None:
        """The folder of a manifest, in the first store that has one."""
        if self.upstream is not None:
            self.upstream.bring_manifest(identifier)
        return self._folder("manifests", identifier)

    def identity_folder(self, identifier: str) -> Path | None:
        """A folder with at least the `manifest.json` of a manifest and its receipt, if a store searched has them."""
        found = None if self.upstream is None else self.upstream.bring_identity(identifier)
        return found or self._folder("manifests", identifier)

    def dataset_folder(self, manifest: Manifest) -> Path | None:
        """The folder of a manifest's dataset, if a store searched has it."""
        if self.upstream is not None:
            self.upstream.bring_dataset(manifest)
        return self._folder("datasets", manifest.id)

    def dataset_place(self, manifest: Manifest) -> str | None:
        """Where a manifest's dataset is, for a person, if a store searched has it; it need not be on this machine."""
        if self.upstream is not None and self.upstream.has_dataset(manifest.id):
            return f"{self.where}/datasets/{manifest.id}"
        folder = self._folder("datasets", manifest.id)
        return None if folder is None else str(folder)

    def _folder(self, place: str, identifier: str) -> Path | None:
        folders = (root / place / identifier for root in self.roots)
        return next((folder for folder in folders if folder.is_dir()), None)

    def dataset_blocks(self, manifest: Manifest) -> Iterator[pa.Table]:
        """The dataset's rows in blocks of 8,192, each verified before it is handed out.

        Raises MissingDatasetError when no store has it, VerificationError when it is not the manifest's.
        """
        folder = self.dataset_folder(manifest)
        if folder is None:
            raise MissingDatasetError(
                f"manifest {manifest.id[:12]}: its dataset is not in {self._searched()}; "
                f"'curation regenerate {manifest.id[:12]}' rebuilds it"
            )
        return read_dataset(folder, manifest)

    def _by_prefix(self, prefix: str) -> str:
        matching = [identifier for identifier in self.ids() if identifier.startswith(prefix)]
        if not matching:
            raise UnknownManifestError(f"{prefix!r}: no manifest's id begins with it in {self._searched()}")
        if len(matching) > 1:
            raise AmbiguousIdError(
                f"{prefix!r}: the beginning of {len(matching)} ids ({', '.join(matching[:3])}); give more digits"
            )
        return matching[0]

    def _searched(self) -> str:
        return f"{self.where} or among the published ones" if self.behind else self.where


def _entries(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{folder}: can't be read ({error.strerror})") from error


def _damage(path: Path) -> str:
    """What is wrong with a file of refs; nothing, if it can be read."""
    try:
        read_reference(path)
    except StoreError as error:
        return str(error)
    return ""


def read_reference(path: Path) -> str:
    """The id in a file of refs. Raises StoreError when there is none in it."""
    try:
        check_regular(path)
        with path.open(encoding="ascii") as file:
            identifier = file.read(LONGEST_REFERENCE).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: can't be read as the id of a manifest ({error})") from error
    except VerificationError as error:
        raise StoreError(str(error)) from error
    if not HEX_64.fullmatch(identifier):
        raise StoreError(
            f"{path}: expected the 64 hex digits of an id, found {identifier[:80]!r}; the file is damaged"
        )
    return identifier
