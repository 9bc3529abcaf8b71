"""A store in an object store (`--store s3://BUCKET/PREFIX`), worked on in a mirror of it on this machine.

An object store has no folders, renames, locks or flushes. It puts one object whole or not at all, shows it to everybody
from then on, and, asked to, puts it only where none is (S3: `If-None-Match: *`; Google Cloud Storage: generation 0).
The objects lie under the paths that the files of a store have (FORMAT.md, section 7), and that is enough:

* The mirror is an ordinary store in the user's cache folder. What is read is brought down into it first, staged,
  verified and renamed into place like anything that is published; what is published there is then sent up.
* Sent up is, in this order: the files of a dataset, its card last; the tables and the receipt of a manifest,
  `manifest.json` last; its name. A dataset without its card and a manifest without `manifest.json` are not there for
  anybody, so whoever dies when, what is named is whole.
* A name is put only where none is: of two publishers one gets the number, the other takes the next. A store that takes
  such a put twice is refused before any work.
* An object with our bytes is left as it is; so is a manifest that is what its receipt says, and a file of a dataset
  with the note that it was put with: which file of which dataset it is, and its size. (Two publishers may write the
  same rows in other bytes, and some stores tell no MD5.) Whoever puts something else there puts it without the note.
  All others are put anew by the next publisher of the same id: what somebody who died left half is completed, what
  was damaged is repaired.
* Names are asked of the store every time, and ids are digests of what they stand for: the mirror saves ways, and
  nothing is believed because it lies there.

Two publishers of one id at the same moment put tables with the same rows and receipts with other times: either is
right, and a mix of the two reads as well. If its receipt states other files, the next publisher that has not mirrored
it mends it.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from manifests import disk
from manifests.dataset import CARD_FILE, part_names
from manifests.errors import CommandError, FormatError, StoreError, VerificationError
from manifests.json_object import HEX_64
from manifests.lock import LOCK
from manifests.manifest import FILES, MARKER, RECEIPT, Manifest, read_manifest
from manifests.objects import Information, url_fault
from manifests.prefix import Prefix, is_refused, is_same
from manifests.publish import is_whole, publish_dataset, publish_manifest, publishing
from manifests.reading.bounded import LARGEST_JSON
from manifests.store import LONGEST_REFERENCE, NAME, VERSION, Store

SCHEMES = ("s3", "gs")  # whose conditional put is known

_GLANCE = (MARKER, RECEIPT)


class Mirror:
    """A copy on this machine of a store in an object store, and the way to it.

    Every method that asks the store raises StoreError when it can't be reached, read or written. What it holds under an
    id that is not what the id stands for is a VerificationError (or FormatError) with its URL.
    """

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root
        self._local = Store(root, behind=())
        self._there = Prefix(
            url, f"--store {root} reads what this machine has of it; build nothing there, it would be lost"
        )
        self._may_publish = False

    @classmethod
    def of(cls, url: str) -> "Mirror":
        """The mirror of a store, in `$XDG_CACHE_HOME` (else `~/.cache`). CommandError for a URL that can't be one."""
        fault = url_fault(url)
        url = url.rstrip("/")
        if not fault and url.partition("://")[0] not in SCHEMES:
            fault = f"a store needs conditional puts, which are known of {' and '.join(SCHEMES)} only"
        if not fault and any(mark in url for mark in "*?[#"):
            fault = "a store is one place; give its URL without *, ?, [ or #"
        if not fault and not {"", ".", ".."}.isdisjoint(url.partition("://")[2].split("/")):
            fault = "expected names between single slashes; give its URL without //, . and .. in the path"
        if fault:
            raise CommandError(f"store {url}: {fault}")
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        digest = hashlib.sha256(url.encode()).hexdigest()
        return cls(url, caches / "tunix-zero-cost" / "stores" / digest[:32])

    def ids(self) -> frozenset[str]:
        """The ids of all manifests there."""
        return frozenset(
            folder
            for folder, _, name in (path.rpartition("/") for path in self._there.listing("manifests"))
            if name == MARKER and HEX_64.fullmatch(folder)
        )

    def bring_names(self, name: str | None) -> list[str]:
        """Make the mirror's versions of a name (or of all names) those of the store.

        Of all names, those that the store does not give out are passed over: a line for each, with the reason. Of one
        name that is a StoreError.
        """
        refused = []
        listed = self._there.listing("refs" if name is None else f"refs/{name}")
        prefix = "" if name is None else f"{name}/"
        found = {
            f"{prefix}{path}": information
            for path, information in listed.items()
            if _is_version(f"{prefix}{path}")
        }
        with publishing(self._local) as publisher:
            refs = publisher.folder("refs")
            for path, information in found.items():
                if is_same(information, refs / path):
                    continue
                try:
                    # Of nothing no range can be read.
                    data = self._read_reference(path) if int(information["size"]) else b""
                except StoreError as error:
                    if name is not None or not is_refused(error):
                        raise
                    refused.append(str(error))
                    (refs / path).unlink(missing_ok=True)
                else:
                    folder = publisher.folder("refs", path.partition("/")[0])
                    disk.replace_file(folder / path.partition("/")[2], data)
            here = [str(file.relative_to(refs)) for file in refs.glob(f"{name or '*'}/*")]
            if gone := [path for path in here if _is_version(path) and path not in found]:
                # Another process of this machine may have put one since, and noted it here.
                listed = self._there.listing("refs")
                for path in gone:
                    if path not in listed:
                        (refs / path).unlink(missing_ok=True)
        return refused

    def bring_manifest(self, identifier: str) -> None:
        """Have a manifest in the mirror, if the store has it."""
        if (self.root / "manifests" / identifier).is_dir():
            return
        listed = self._there.listing(f"manifests/{identifier}")
        if MARKER not in listed:
            return
        with publishing(self._local) as publisher, publisher.staging("manifests") as staging:
            folder = self._fetched_manifest(identifier, listed, staging)
            with self._blamed(folder, f"manifests/{identifier}"):
                publish_manifest(self._local, folder)

    def bring_identity(self, identifier: str) -> Path | None:
        """A folder with at least the `manifest.json` of a manifest and its receipt; None where there is none."""
        whole, glance = (self.root / place / identifier for place in ("manifests", "local/identities"))
        if whole.is_dir() or glance.is_dir():
            return whole if whole.is_dir() else glance
        listed = self._there.listing(f"manifests/{identifier}")
        if MARKER not in listed:
            return None
        names = [name for name in _GLANCE if name in listed]
        with publishing(self._local) as publisher, publisher.staging("local", "identities") as staging:
            folder = staging / identifier
            folder.mkdir()
            self._fetch(f"manifests/{identifier}", names, folder, listed)
            if hashlib.sha256((folder / MARKER).read_bytes()).hexdigest() == identifier:
                disk.move_into_place(folder, glance)
                return glance
        raise VerificationError(
            f"{self.url}/manifests/{identifier}/{MARKER}: its SHA-256 is another than the id; "
            "it was changed, build it again from its recipe"
        )

    def has_dataset(self, identifier: str) -> bool:
        """Whether the mirror or the store has the dataset of a manifest."""
        here = (self.root / "datasets" / identifier).is_dir()
        return here or CARD_FILE in self._there.listing(f"datasets/{identifier}")

    def bring_dataset(self, manifest: Manifest) -> None:
        """Have the dataset of a manifest in the mirror, if the store has it.

        One in the mirror that is damaged is fetched again; one with the bytes of the store's objects is not looked
        into, whoever reads it does.
        """
        place, names = f"datasets/{manifest.id}", _dataset_files(manifest)
        here = self.root / place
        listed = self._there.listing(place)
        if CARD_FILE not in listed:
            return
        if here.is_dir() and (
            all(is_same(listed.get(name), here / name) for name in names) or is_whole(here, manifest)
        ):
            return
        with publishing(self._local) as publisher, publisher.staging("datasets") as staging:
            folder = staging / manifest.id
            (folder / "data").mkdir(parents=True)
            with self._blamed(folder, place):
                self._fetch(place, names, folder, listed)
                publish_dataset(self._local, folder, manifest)

    def prepare_to_publish(self) -> None:
        """Find out, before any work, whether this process may put objects there, and whether conditions are heeded.

        The object `.lock` is put where none is. It is empty, and locks nothing.
        """
        if self._may_publish:
            return
        for _ in range(2):
            if not self._there.put_new(LOCK, b""):
                self._may_publish = True
                return
        raise StoreError(
            f"{self.url}: it took a second conditional put (If-None-Match: *) of the same object, so two publishers "
            "could both take one version of a name; use a store that refuses it"
        )

    def send_dataset(self, folder: Path, manifest: Manifest) -> None:
        """Put what the store lacks of a dataset that is whole in `folder`, the card last."""
        place = f"datasets/{manifest.id}"
        listed = self._there.listing(place)
        for name in _dataset_files(manifest):
            path, there = f"{place}/{name}", listed.get(name)
            if is_same(there, folder / name):
                continue
            if there is None or self._there.note(path) != _note(path, int(there["size"])):
                self._there.send(folder / name, path, _note(path, (folder / name).stat().st_size))

    def send_manifest(self, folder: Path) -> None:
        """Put what the store lacks of a manifest that is whole in `folder`. One that is whole there already stays."""
        place = f"manifests/{folder.name}"
        listed = self._there.listing(place)
        if MARKER in listed and not all(is_same(listed.get(name), folder / name) for name in FILES):
            with (
                suppress(FormatError, VerificationError),
                publishing(self._local) as publisher,
                publisher.staging("manifests") as staging,
            ):
                if _is_as_its_receipt_says(
                    read_manifest(self._fetched_manifest(folder.name, listed, staging))
                ):
                    return
        for name in FILES:
            if not is_same(listed.get(name), folder / name):
                self._there.send(folder / name, f"{place}/{name}")

    def claim(self, name: str, number: int, identifier: str) -> str:
        """Give a version of a name to an id unless it is taken; the id that it has now."""
        path = f"refs/{name}/{number}"
        if self._there.put_new(path, f"{identifier}\n".encode()):
            return identifier
        taken = self._read_reference(f"{name}/{number}").decode("ascii", "replace")
        return taken.removesuffix("\n")

    def _fetched_manifest(self, identifier: str, listed: Mapping[str, Information], staging: Path) -> Path:
        """The files of a manifest in a new folder of `staging`, not verified yet."""
        folder = staging / identifier
        folder.mkdir()
        self._fetch(f"manifests/{identifier}", FILES, folder, listed)
        return folder

    def _read_reference(self, path: str) -> bytes:
        return self._there.read(f"refs/{path}", LONGEST_REFERENCE)

    def _fetch(
        self, place: str, names: Sequence[str], folder: Path, listed: Mapping[str, Information]
    ) -> None:
        """Bring objects into a folder. VerificationError for one that is missing, or JSON that no reader would take."""
        for name in names:
            if name not in listed:
                raise VerificationError(f"{self.url}/{place}/{name}: not there; {_REPAIR}")
            if name.endswith(".json") and int(listed[name]["size"]) > LARGEST_JSON:
                raise VerificationError(f"{self.url}/{place}/{name}: over {LARGEST_JSON:,} bytes; {_REPAIR}")
            self._there.bring(f"{place}/{name}", folder / name)

    @contextmanager
    def _blamed(self, folder: Path, place: str) -> Iterator[None]:
        """What is wrong with files brought into a folder is wrong with the objects that they came from."""
        try:
            yield
        except (FormatError, VerificationError) as error:
            told_of = str(error).replace(str(folder), f"{self.url}/{place}")
            raise type(error)(f"{told_of.rpartition('; ')[0] or told_of}; {_REPAIR}") from error


_REPAIR = "the next build of the same recipe puts it right, of a dataset also 'curation regenerate'"


def _dataset_files(manifest: Manifest) -> list[str]:
    """The files of a dataset, the card last."""
    return [*part_names(manifest.identity.rows), CARD_FILE]


def _note(path: str, size: int) -> str:
    """What is noted on a file of a dataset: its path in the store says which rows it holds."""
    return f"{path} {size}"


def _is_as_its_receipt_says(manifest: Manifest) -> bool:
    """Whether the files of a manifest are those that its receipt states; what they hold is proven already."""
    stated = manifest.receipt.get("files")
    if not isinstance(stated, dict):
        return False
    files = {name: disk.sha256_file(manifest.folder / name) for name in FILES if name != RECEIPT}
    return stated == {name: {"size": size, "sha256": sha256} for name, (size, sha256) in files.items()}


def _is_version(path: str) -> bool:
    name, slash, number = path.partition("/")
    return bool(slash and NAME.fullmatch(name) and VERSION.fullmatch(number))
