"""The identity of a manifest: the JSON object whose SHA-256 is the id (FORMAT.md, section 6). Pure."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from manifests import keys
from manifests.canonical import canonical_bytes
from manifests.ledger import SourceLedger
from manifests.tables import CONTENT, ENCODING, REJECTS, ROWS, SKETCHED_ROWS, TableForm

FORMAT = 1
ORDERS = {"mixed": "mixed/xxh3-128/1", "sequential": "sequential/1"}
DRAWS = {
    "all": "all/1",
    "first": "first/1",
    "reservoir": "reservoir/algorithm-r/mt19937/1",
    "shuffle": "shuffle/fisher-yates/mt19937/1",
    "hash": "hash/bottom-k/xxh3/1",
}
"""The names of orders and draws by what a recipe calls them (FORMAT.md, section 5)."""
DETECTOR_ALGORITHM = "langdetect/1"
DETECTORS = (DETECTOR_ALGORITHM, "langdetect-windows/1", "script/1")
DECONTAMINATION = "ngram-overlap/1"
NEAR = "near/minhash-lsh/1"
SKETCH = "sketch/minhash-b8/1"
DISJOINT, CONTINUE = "disjoint", "continue"
RELATIONS = (DISJOINT, CONTINUE)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a source: its path below the glob's fixed part, its bytes, and which rows it holds.

    `first_row` is the number (from 1) of its first row, `last_row` of its last within the raw range.
    `stated` marks a Hub file whose SHA-256 was stated by the Hub because it was not read whole.
    """

    path: str
    size: int
    sha256: str
    first_row: int
    last_row: int
    stated: bool = False


@dataclass(frozen=True)
class SourceRecord:
    """Where the rows of a source come from. `hub` is (repository, revision), or None for local files."""

    name: str
    hub: tuple[str, str] | None
    files: tuple[FileRecord, ...]
    before: tuple[tuple[str, int], ...] = ()

    @cached_property
    def first_rows(self) -> list[int]:
        """The first row of each file, ascending; of files that share it, all but the last are empty."""
        return [file.first_row for file in self.files]

    def locate(self, row: int) -> tuple[FileRecord, int]:
        """The file that holds a row of this source, and the row's number within it (from 1)."""
        file = self.files[bisect_right(self.first_rows, row) - 1]
        return file, row - file.first_row + 1

    def origin(self, file: FileRecord) -> bytes:
        """The origin key of a file of this source: 32 bytes."""
        if self.hub is None:
            return keys.local_origin(file.sha256)
        return keys.hub_origin(*self.hub, file.path)


@dataclass(frozen=True, slots=True)
class Detector:
    """A language detector: the name of its algorithm and the digest of its profiles."""

    algorithm: str
    profiles: str


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A file of evaluation questions: its path below the glob's fixed part, its bytes, and their SHA-256 in hex.

    So many questions of it were sought; so many more were too short to be told from ordinary text.
    """

    path: str
    size: int
    sha256: str
    questions: int
    too_short: int


@dataclass(frozen=True, slots=True)
class Parent:
    """An earlier manifest: `disjoint` if no row of it may be here, `continue` if its training is gone on with."""

    id: str
    relation: str


@dataclass(frozen=True)
class Identity:
    """Everything that makes a manifest this one. `recipe` holds the keys that were set and that select.

    `near` names the algorithm by source, where near duplicates were sought; `questions` are None unless evaluation
    questions were; `sketched` says that the rows carry sketches of their text.
    """

    rows: int
    rejects: int
    content_digest: str
    rows_digest: str
    rejects_digest: str
    ledger: tuple[SourceLedger, ...]
    order: str
    takes: Mapping[str, str]
    detectors: Mapping[str, Detector]
    parents: tuple[Parent, ...]
    recipe: Mapping[str, object]
    sources: tuple[SourceRecord, ...]
    near: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[QuestionFile, ...] | None = None
    sketched: bool = False

    @property
    def rows_form(self) -> TableForm:
        """The form of the rows table."""
        return SKETCHED_ROWS if self.sketched else ROWS

    @cached_property
    def data(self) -> bytes:
        """The bytes of `manifest.json`."""
        return canonical_bytes(_to_json(self))

    @cached_property
    def id(self) -> str:
        """The id: SHA-256 of `data`, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    def source(self, name: str) -> SourceRecord | None:
        """The source of that name, if there is one."""
        return next((source for source in self.sources if source.name == name), None)


def schemas(rows: TableForm) -> dict[str, str]:
    """The texts of the three tables' columns, by name."""
    return {form.name: form.columns for form in (CONTENT, REJECTS, rows)}


def _to_json(identity: Identity) -> dict[str, object]:
    # What not every manifest has, stands only in those that have it.
    optional: dict[str, object] = {}
    if identity.questions is not None:
        optional["decontamination"] = {
            "algorithm": DECONTAMINATION,
            "files": [asdict(file) for file in identity.questions],
        }
    return {
        **optional,
        "format": FORMAT,
        "encoding": ENCODING,
        "schemas": schemas(identity.rows_form),
        "counts": {"rows": identity.rows, "rejects": identity.rejects},
        "content_digest": identity.content_digest,
        "rows_digest": identity.rows_digest,
        "rejects_digest": identity.rejects_digest,
        "ledger": ledger_json(identity.ledger),
        "algorithms": {
            "content": keys.CONTENT_ALGORITHM,
            "prompt": keys.PROMPT_ALGORITHM,
            "order": identity.order,
            "takes": dict(identity.takes),
            **({"near": dict(identity.near)} if identity.near else {}),
            **({"sketch": SKETCH} if identity.sketched else {}),
        },
        "detectors": {
            name: {"algorithm": detector.algorithm, "profiles": detector.profiles}
            for name, detector in identity.detectors.items()
        },
        "parents": [{"id": parent.id, "relation": parent.relation} for parent in identity.parents],
        "recipe": dict(identity.recipe),
        "sources": [_source_json(source) for source in identity.sources],
    }


def ledger_json(ledger: tuple[SourceLedger, ...]) -> list[object]:
    """The ledger as it stands in JSON."""
    return [
        {
            "source": source.source,
            "stages": [
                {
                    "stage": stage.stage,
                    "in": stage.rows_in,
                    "out": stage.rows_out,
                    "dropped": dict(stage.dropped),
                }
                for stage in source.stages
            ],
        }
        for source in ledger
    ]


def _source_json(source: SourceRecord) -> dict[str, object]:
    return {
        "name": source.name,
        "origin": None if source.hub is None else {"hub": source.hub[0], "revision": source.hub[1]},
        "files": [
            {
                "path": file.path,
                "size": file.size,
                "sha256": file.sha256,
                "first_row": file.first_row,
                "last_row": file.last_row,
            }
            | ({"stated": True} if file.stated else {})
            for file in source.files
        ],
        "before": [{"path": path, "rows": rows} for path, rows in source.before],
    }
