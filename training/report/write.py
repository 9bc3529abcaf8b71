"""The edge of the page: its file."""

from pathlib import Path

from manifests.disk import replace_file
from manifests.errors import CommandError, StoreError
from training.report.document import run_page
from training.report.gather import gather


def write_report(run: Path, out: Path) -> Path:
    """Write the page of a run to `out`, in place of whatever file is there: whole or not at all; `out`.

    The run's folder is only read. Raises `CommandError` when no page can be written there, before any work is done for
    it, and `RunFolderError` for a folder that is no run, or is damaged.
    """
    if out.is_dir():
        raise CommandError(f"--out {out}: a folder; give the page a file name, as in {out / 'report.html'}")
    if out.is_symlink() or (out.exists() and not out.is_file()):
        raise CommandError(f"--out {out}: something else than a file stands there; give another name")
    if not out.parent.is_dir():
        raise CommandError(f"--out {out}: there is no folder {out.parent}; make it, or write elsewhere")
    page = run_page(gather(run))
    try:
        replace_file(out, page.encode())
    except StoreError as error:
        raise CommandError(f"--out {out}: {out.parent} can't be written; choose another place") from error
    return out
