"""What can go wrong while a recipe becomes a manifest.

CurationError
├── RecipeError         a recipe that asks for something unknown, ill-typed or impossible
├── SourceError         a file that can't be read as what it claims to be
├── TakeError           fewer candidates than a draw asks for
├── WorkerError         a worker process that died
├── DemoSourcesError    demo sources that can't be written there
├── GuardError          a stage that took more than it may, or an expectation missed: exit status 1
├── OverlapError        rows shared with an earlier manifest, where the recipe says "error": exit status 1
└── RegenerationError   sources that no longer give the manifest's rows: exit status 1

A message is one line: what, where, expected against observed, what to do.
"""

from typing import ClassVar

from manifests.errors import ZeroCostError


class CurationError(ZeroCostError):
    """Base of the errors of this package."""


class RecipeError(CurationError):
    """A recipe that asks for something unknown, ill-typed or impossible."""


class SourceError(CurationError):
    """A file that can't be read as what it claims to be."""


class TakeError(CurationError):
    """Fewer candidates than a draw asks for."""


class WorkerError(CurationError):
    """A process that reads parts of the sources died."""


class DemoSourcesError(CurationError):
    """Demo sources that can't be written where they were asked for."""


class GuardError(CurationError):
    """A stage that dropped more than it may, or an expectation that was missed."""

    exit_status: ClassVar[int] = 1


class OverlapError(CurationError):
    """Rows shared with an earlier manifest, where the recipe forbids it."""

    exit_status: ClassVar[int] = 1


class RegenerationError(CurationError):
    """Sources that no longer give the rows of the manifest."""

    exit_status: ClassVar[int] = 1
