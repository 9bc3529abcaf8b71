"""What can go wrong with manifests and stores.

ZeroCostError                  every error a person may meet, in all three packages
├── CurationError              curation/errors.py
├── TrainingError              training/errors.py
└── ManifestError
    ├── FormatError            bytes that are no manifest of format 1
    ├── UnknownManifestError   no store has this name or id
    ├── AmbiguousIdError       a prefix that several ids begin with
    ├── NameNotAllowedError    a name that could not be a folder of refs
    ├── StoreError             a store that can't be read or written
    ├── BusyStoreError         a store that can't be cleaned up while somebody publishes: exit status 1
    ├── MissingDatasetError    a manifest whose dataset is not here
    ├── CommandError           a command that asks for what can't be
    └── VerificationError      a check that said no: exit status 1

A message is one line: what, where, expected against observed, what to do.
"""

from typing import ClassVar


class ZeroCostError(Exception):
    """An error that is told to the person in one line, without a traceback.

    `exit_status` is the command's: 1 when a check said no, 2 when the request or its input is wrong.
    """

    exit_status: ClassVar[int] = 2


class ManifestError(ZeroCostError):
    """Base of the errors of this package."""


class FormatError(ManifestError):
    """Bytes that are no manifest of a format known here."""


class UnknownManifestError(ManifestError):
    """A name, version or id that no store searched has."""


class AmbiguousIdError(ManifestError):
    """A prefix that more than one id begins with."""


class NameNotAllowedError(ManifestError):
    """A name outside `a-z 0-9 -`, or one that could be taken for an id."""


class StoreError(ManifestError):
    """A store that can't be read or written."""


class BusyStoreError(ManifestError):
    """A store in which somebody publishes, so that what is garbage can't be told."""

    exit_status: ClassVar[int] = 1


class MissingDatasetError(ManifestError):
    """A manifest whose dataset is in no store searched."""


class CommandError(ManifestError):
    """A request that can't be carried out as it was put."""


class VerificationError(ManifestError):
    """Something recomputed differs from what a manifest states."""

    exit_status: ClassVar[int] = 1
