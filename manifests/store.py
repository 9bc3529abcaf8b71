"""The store: the folder of manifests, their names and their datasets.

Behind the store that a command works on stand the manifests that ship with the project (`manifests/published`, same
layout, without datasets): everything that reads searches both, only the first is ever written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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

_NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")
_HEX_ALONE = re.compile("[0-9a-f]{8,}")
_VERSION = re.compile("[1-9][0-9]{0,8}")
_LONGEST_REFERENCE = 200  # characters; an id and a line feed are 65


def check_name(name: str) -> str:
    """`name`, if it can be the name of a manifest; NameNotAllowedError otherwise."""
    if not _NAME.fullmatch(name):
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


@dataclass(frozen=True, slots=True)
class Store:
    """A store to work on, and the stores behind it that are only read."""

    root: Path
    behind: tuple[Path, ...] = (PUBLISHED,)

    @classmethod
    def open(cls, root: Path) -> "Store":
        """The store at `root` (which need not exist yet), with the published manifests behind it."""
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root}: a store is a folder, this is a file; choose another with --store")
        return cls(root)

    @property
    def roots(self) -> tuple[Path, ...]:
        """Every store searched, in order."""
        return (self.root, *self.behind)

    def ids(self) -> list[str]:
        """The ids of all manifests in all stores searched, sorted."""
        return sorted({folder.name for root in self.roots for folder in _entries(root / "manifests", HEX_64)})

    def versions(self, name: str | None = None) -> list[NamedVersion]:
        """All versions of a name (or of all names), by name and number; the first store that has one wins.

        Raises StoreError for a damaged version of that name; of all names those are passed over
        (`damaged_references` tells of them).
        """
        found: dict[tuple[str, int], NamedVersion] = {}
        for root in self.roots:
            folders = _entries(root / "refs", _NAME) if name is None else [root / "refs" / check_name(name)]
            for folder in folders:
                for path in _entries(folder, _VERSION):
                    if name is None and _damage(path):
                        continue
                    version = NamedVersion(folder.name, int(path.name), read_reference(path))
                    found.setdefault((version.name, version.number), version)
        return [found[key] for key in sorted(found)]

    def damaged_references(self) -> list[str]:
        """What is wrong with versions of names that can't be read, a line each."""
        return [
            damage
            for root in self.roots
            for folder in _entries(root / "refs", _NAME)
            for path in _entries(folder, _VERSION)
            if (damage := _damage(path))
        ]

    def resolve(self, reference: str) -> str:
        """The id that a name, `name:version`, id or unique prefix of at least 8 digits stands for."""
        if _HEX_ALONE.fullmatch(reference):
            return self._by_prefix(reference)
        name, colon, wanted = reference.partition(":")
        check_name(name)
        if colon and not _VERSION.fullmatch(wanted):
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
        for root in self.roots:
            if (folder := root / "manifests" / identifier).is_dir():
                return read_manifest(folder)
        raise UnknownManifestError(
            f"{reference!r}: its manifest {identifier} is not in {self._searched()}; fetch it again"
        )

    def dataset_folder(self, manifest: Manifest) -> Path | None:
        """The folder of a manifest's dataset, if a store searched has it."""
        folders = (root / "datasets" / manifest.id for root in self.roots)
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
        return f"{self.root} or among the published ones" if self.behind else str(self.root)


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
            identifier = file.read(_LONGEST_REFERENCE).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: can't be read as the id of a manifest ({error})") from error
    except VerificationError as error:
        raise StoreError(str(error)) from error
    if not HEX_64.fullmatch(identifier):
        raise StoreError(
            f"{path}: expected the 64 hex digits of an id, found {identifier[:80]!r}; the file is damaged"
        )
    return identifier
