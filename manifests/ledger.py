"""The ledger: at every stage of every source, rows in = rows out + rows dropped by reason. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manifests.errors import FormatError, VerificationError

NOT_TAKEN = "not-taken"

# The stages in their order, each with the reasons for which it drops rows (FORMAT.md, section 4).
REASONS: Mapping[str, tuple[str, ...]] = {
    "rows": (),
    "parse": (
        *(
            "too-large",
            "too-few-fields",
            "too-many-fields",
            "null",
            "not-text",
            "invalid-utf8",
            "lone-surrogate",
        ),
        *("no-prompt", "no-reasoning", "no-answer", "tag-unopened", "tag-unclosed", "tag-repeated"),
        *("text-before-reasoning", "text-before-answer", "text-after-answer"),
    ),
    "language": ("other-language", "no-language", "mixed-language", "other-script"),
    "length": ("too-long",),
    "decontaminate": ("evaluation-question",),
    "duplicates": ("same-content",),
    "near": ("near-duplicate",),
    "across": ("same-content",),
    "disjoint": ("same-row", "same-content"),
    "take": (NOT_TAKEN,),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage did to one source. `dropped` counts rows by reason, reasons with 0 left out."""

    stage: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SourceLedger:
    """The stages a source passed, in the order it passed them."""

    source: str
    stages: tuple[Stage, ...]

    @property
    def rows(self) -> int:
        """The rows of this source that are in the manifest."""
        return self.stages[-1].rows_out

    def rejected(self) -> Iterator[tuple[str, str, int]]:
        """(stage, reason, rows) of everything that went to the rejects."""
        for stage in self.stages:
            for reason, rows in stage.dropped.items():
                if reason != NOT_TAKEN:
                    yield stage.stage, reason, rows


def check_conservation(ledger: Sequence[SourceLedger], where: str) -> None:
    """Raise VerificationError unless every stage conserves rows and hands all it leaves to the next."""
    for source in ledger:
        handed_on: int | None = None
        for stage in source.stages:
            dropped = sum(stage.dropped.values())
            if stage.rows_in != stage.rows_out + dropped:
                raise VerificationError(
                    f"{where}: ledger of source {source.source}, stage {stage.stage}: {stage.rows_in} rows in, but "
                    f"{stage.rows_out} out and {dropped} dropped; the manifest is damaged"
                )
            if handed_on is not None and stage.rows_in != handed_on:
                raise VerificationError(
                    f"{where}: ledger of source {source.source}, stage {stage.stage}: {stage.rows_in} rows in, "
                    f"but the stage before handed on {handed_on}; the manifest is damaged"
                )
            handed_on = stage.rows_out


def check_stages(ledger: Sequence[SourceLedger], manifest: str) -> None:
    """Raise FormatError for stages or reasons that format 1 does not have, or stages missing or in another order."""
    for source in ledger:
        where = f"{manifest}: ledger of source {source.source}"
        for stage in source.stages:
            if stage.stage not in REASONS:
                raise FormatError(f"{where}: stage {stage.stage!r} is unknown; a newer version may be needed")
            if unknown := [reason for reason in stage.dropped if reason not in REASONS[stage.stage]]:
                raise FormatError(
                    f"{where}, stage {stage.stage}: reason {unknown[0]!r} is unknown; a newer version may be needed"
                )
        names = [stage.stage for stage in source.stages]
        # A raw draw comes right after the rows, or after the script rule that looks at them.
        early = 2 if names[1:2] == ["take"] else 3 if names[1:3] == ["language", "take"] else 1
        others = names[:1] + names[early:]
        ordered = len(set(names)) == len(names) and others == [name for name in REASONS if name in others]
        if not ordered or not {"rows", "parse", "take"} <= set(names):
            raise FormatError(
                f"{where}: the stages {', '.join(names)} in this order; the manifest is damaged"
            )
