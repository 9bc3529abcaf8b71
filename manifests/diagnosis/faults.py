"""What a fault is, and how it reads. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.words import SHORT_ID, cut


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not hold: where, what, expected against observed, how many of how many, and why.

    `where` begins with the name of a file of the manifest, `dataset`, or what else was looked at. Numbers and values
    that nobody can tell are None; values are cut. `cause` says "proven" where undoing it gives the right digest.
    """

    where: str
    what: str
    expected: str | None = None
    observed: str | None = None
    differing: int | None = None
    of: int | None = None
    cause: str = "the file is damaged"


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification. It holds if there are no faults.

    `checks` says what was recomputed and held, `notes` what could not be checked and why. `rows` and `content_digest`
    are the identity's, None when there is none; `dataset_rows` the rows of the dataset that were checked.
    """

    id: str
    rows: int | None
    content_digest: str | None
    dataset_rows: int | None
    checks: tuple[str, ...]
    notes: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def verified(self) -> bool:
        """Whether everything that was checked holds."""
        return not self.faults


def verification_json(verification: Verification) -> dict[str, object]:
    """What `manifests verify --json` prints."""
    return {
        "id": verification.id,
        "rows": verification.rows,
        "content_digest": verification.content_digest,
        "verified": verification.verified,
        "dataset_rows": verification.dataset_rows,
        "checks": list(verification.checks),
        "notes": list(verification.notes),
        "faults": [asdict(fault) for fault in verification.faults],
    }


def verification_lines(verification: Verification) -> list[str]:
    """What `manifests verify` prints for people."""
    short = verification.id[:SHORT_ID]
    lines = [*verification.checks, *(f"not checked: {note}" for note in verification.notes)]
    for fault in verification.faults:
        lines.append(f"FAULT in manifest {short}, {fault.where}: {fault.what}")
        for label, value in (("expected", fault.expected), ("observed", fault.observed)):
            if value is not None:
                lines.append(f"  {label}  {value}")
        if fault.differing is not None:
            of = "" if fault.of is None else f" of {fault.of:,}"
            lines.append(f"  differing {fault.differing:,}{of}")
        lines.append(f"  cause     {fault.cause}")
    return lines


def complaint(verification: Verification) -> str:
    """The first fault in one line, and how many others there are."""
    fault = verification.faults[0]
    parts = [f"{fault.where}: {fault.what}"]
    if fault.expected is not None or fault.observed is not None:
        parts.append(f"expected {cut(str(fault.expected))}, found {cut(str(fault.observed))}")
    parts.append(fault.cause)
    if others := len(verification.faults) - 1:
        parts.append(f"and {others} more")
    return f"manifest {verification.id[:SHORT_ID]}: {'; '.join(parts)}"


def plain(error: BaseException, path: Path | None = None) -> str:
    """The first line of an error, cut, without the path that stands beside it anyway and without advice."""
    text = next(iter(str(error).splitlines()), type(error).__name__)
    return cut(text.removeprefix(f"{path}: ").rpartition("; ")[0] or text.removeprefix(f"{path}: "), 200)


def fault_of_error(where: str, error: BaseException, path: Path) -> Fault:
    """An error as a fault: what it says, and what it says last, behind a semicolon, as the cause."""
    text = next(iter(str(error).splitlines()), type(error).__name__).removeprefix(f"{path}: ")
    what, _, advice = text.rpartition("; ")
    return Fault(where, cut(what or text, 200), cause=cut(advice, 200))


def ranges(blocks: Sequence[int], block_rows: int, rows: int) -> str:
    """Blocks (from 0) as rows counted from 1: `rows 8,193 to 16,384`; of many the first."""
    first = blocks[0]
    last = min((first + 1) * block_rows, rows)
    return f"rows {first * block_rows + 1:,} to {last:,}"
