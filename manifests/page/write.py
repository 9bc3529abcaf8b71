"""The edge of the page: what it needs from the store, and its file."""

from pathlib import Path

from manifests.audit import Audit
from manifests.disk import replace_file
from manifests.errors import CommandError, StoreError
from manifests.lineage import lineage
from manifests.page.document import audit_page
from manifests.page.samples import look_up
from manifests.store import Store


def check_target(path: Path) -> None:
    """Raise CommandError if no page can be written to `path`, before any work is done for it."""
    if path.is_dir():
        raise CommandError(f"--html {path}: a folder; give the page a file name, as in {path / 'audit.html'}")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise CommandError(f"--html {path}: something else than a file stands there; give another name")
    if not path.parent.is_dir():
        raise CommandError(f"--html {path}: there is no folder {path.parent}; make it, or write elsewhere")


def write_page(path: Path, store: Store, audit: Audit) -> None:
    """Write the page of an audit, in place of whatever file is there: whole or not at all.

    The texts of its examples come from the datasets that the store has; where one is missing, the page says so.
    """
    check_target(path)
    looked = look_up(store, audit)
    lineages = [lineage(store, manifest) for manifest in audit.manifests]
    page = audit_page(audit, lineages, looked.samples, looked.without_text)
    try:
        replace_file(path, page.encode())
    except StoreError as error:
        raise CommandError(f"--html {path}: {path.parent} can't be written; choose another place") from error
