"""What an exported folder can say of its manifest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from manifests.identity import Identity
from manifests.store import NamedVersion
from manifests.words import SHORT_ID


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an exported folder: its path below the folder, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A manifest that an exported one goes back to, and what it is to the one that names it.

    `rows` is None if the store did not have it: then it is not in the folder either.
    """

    id: str
    relation: str
    child: str
    names: tuple[str, ...]
    rows: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the texts beside the data are made of.

    `receipt_name` is the name of the recipe, as the receipt has it; `versions` are the manifest's names in the store;
    `licenses` holds a text for each source; `data` are the data files, in order, of `data_bytes` bytes in memory.
    """

    identity: Identity
    receipt_name: str
    versions: tuple[NamedVersion, ...]
    licenses: Mapping[str, str]
    ancestors: tuple[Ancestor, ...]
    data: tuple[ExportedFile, ...]
    data_bytes: int

    @property
    def version(self) -> NamedVersion | None:
        """The version to call it by: of the recipe's name if it has one, else of the first of its names."""
        by_recipe = [version for version in self.versions if version.name == self.receipt_name]
        return next(iter([*by_recipe[-1:], *self.versions]), None)

    @property
    def name(self) -> str:
        """A name of `a-z 0-9 -` for it, at most 64 characters."""
        return "manifest" if self.version is None else self.version.name

    @property
    def short_id(self) -> str:
        """The beginning of the id, long enough to find it by."""
        return self.identity.id[:SHORT_ID]

    @property
    def title(self) -> str:
        """The name and the beginning of the id."""
        return f"{self.name} {self.short_id}"

    @property
    def data_glob(self) -> str:
        """The pattern of the data files below the folder."""
        return f"{self.data[0].path.rpartition('/')[0]}/train-*.parquet"
