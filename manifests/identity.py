"""The identity of a manifest: the JSON object whose SHA-256 is the id (FORMAT.md, section 6). Pure."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise

from manifests import keys
from manifests.canonical import canonical_bytes, parse_canonical
from manifests.errors import FormatError
from manifests.json_object import JsonObject
from manifests.ledger import SourceLedger, Stage
from manifests.tables import CONTENT, ENCODING, REJECTS, ROWS

FORMAT = 1
DETECTOR_ALGORITHM = "langdetect/1"
DETECTORS = (DETECTOR_ALGORITHM, "langdetect-windows/1", "script/1")
DECONTAMINATION = "ngram-overlap/1"
NEAR = "near/minhash-lsh/1"
SCHEMAS = {form.name: form.columns for form in (CONTENT, REJECTS, ROWS)}


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


@dataclass(frozen=True)
class Identity:
    """Everything that makes a manifest this one. `recipe` holds the keys that were set and that select.

    `near` names the algorithm by source, where near duplicates were sought; `questions` are None unless evaluation
    questions were.
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
    parents: tuple[str, ...]
    recipe: Mapping[str, object]
    sources: tuple[SourceRecord, ...]
    near: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[QuestionFile, ...] | None = None

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


def parse_identity(data: bytes, where: str) -> Identity:
    """The identity that the bytes of a `manifest.json` hold.

    Raises FormatError when they are not canonical, of another format, or lack or add a key or have a wrong type.
    """
    top = JsonObject(parse_canonical(data, where), where)
    declared = top.integer("format")
    if declared != FORMAT:
        raise FormatError(
            f"{where}: manifest format {declared}; this version reads format {FORMAT}, a newer one is needed"
        )
    if (encoding := top.text("encoding")) != ENCODING:
        raise FormatError(f"{where}: row encoding {encoding!r}; format {FORMAT} has {ENCODING!r}")
    if (schemas := top.take("schemas")) != SCHEMAS:
        raise FormatError(f"{where}: schemas {schemas!r} are not those of format {FORMAT}")
    counts, algorithms, detectors = (top.inner(key) for key in ("counts", "algorithms", "detectors"))
    for key, known in (("content", keys.CONTENT_ALGORITHM), ("prompt", keys.PROMPT_ALGORITHM)):
        if (named := algorithms.text(key)) != known:
            raise FormatError(f"{where}: algorithm {named!r} for {key} keys; format {FORMAT} has {known!r}")
    identity = Identity(
        rows=counts.integer("rows"),
        rejects=counts.integer("rejects"),
        content_digest=top.digest("content_digest"),
        rows_digest=top.digest("rows_digest"),
        rejects_digest=top.digest("rejects_digest"),
        ledger=tuple(_ledger(entry) for entry in top.objects("ledger")),
        order=algorithms.text("order"),
        takes=algorithms.texts("takes"),
        detectors={name: _detector(detectors.inner(name)) for name in list(detectors.fields)},
        parents=tuple(_parent(entry) for entry in top.objects("parents")),
        recipe=top.inner("recipe").everything(),
        sources=tuple(_source(entry) for entry in top.objects("sources")),
        near=_near(algorithms),
        questions=_questions(top),
    )
    for seen in (counts, algorithms, detectors, top):
        seen.finish()
    names = {source.name for source in identity.sources}
    if set(identity.takes) != names or not {*identity.detectors, *identity.near} <= names:
        raise FormatError(
            f"{where}: takes, detectors or near duplicates of other sources than {', '.join(sorted(names))}; "
            "the manifest is damaged"
        )
    return identity


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
        "schemas": SCHEMAS,
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
        },
        "detectors": {
            name: {"algorithm": detector.algorithm, "profiles": detector.profiles}
            for name, detector in identity.detectors.items()
        },
        "parents": [{"id": parent, "relation": "disjoint"} for parent in identity.parents],
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


def _source(entry: JsonObject) -> SourceRecord:
    name, origin = entry.text("name"), entry.take("origin")
    hub: tuple[str, str] | None = None
    if origin is not None:
        pinned = JsonObject(origin, f"{entry.where}: origin")
        hub = (pinned.text("hub"), pinned.text("revision"))
        pinned.finish()
    files = []
    for file in entry.objects("files"):
        stated = "stated" in file.fields
        if stated and (mark := file.take("stated")) is not True:
            raise file.wrong("stated", "true, or not there", mark)
        files.append(
            FileRecord(
                file.path("path"),
                file.integer("size"),
                file.digest("sha256"),
                file.integer("first_row"),
                file.integer("last_row"),
                stated,
            )
        )
        file.finish()
    before = []
    for file in entry.objects("before"):
        before.append((file.path("path"), file.integer("rows")))
        file.finish()
    entry.finish()
    gapless = all(here.last_row + 1 == after.first_row for here, after in pairwise(files))
    if not files or not gapless or files[0].first_row < 1 or any(f.last_row < f.first_row - 1 for f in files):
        raise FormatError(
            f"{entry.where}: source {name}: files with gaps or none at all; the manifest is damaged"
        )
    return SourceRecord(name, hub, tuple(files), tuple(before))


def _ledger(entry: JsonObject) -> SourceLedger:
    stages = []
    for stage in entry.objects("stages"):
        dropped = stage.inner("dropped")
        counts = {reason: dropped.integer(reason) for reason in list(dropped.fields)}
        stages.append(Stage(stage.text("stage"), stage.integer("in"), stage.integer("out"), counts))
        stage.finish()
    source = SourceLedger(entry.text("source"), tuple(stages))
    entry.finish()
    if not stages:
        raise FormatError(
            f"{entry.where}: the ledger of source {source.source} has no stages; the manifest is damaged"
        )
    return source


def _detector(entry: JsonObject) -> Detector:
    detector = Detector(entry.text("algorithm"), entry.digest("profiles"))
    entry.finish()
    if detector.algorithm not in DETECTORS:
        raise FormatError(
            f"{entry.where}: algorithm {detector.algorithm!r} is unknown; a newer version may be needed"
        )
    return detector


def _near(algorithms: JsonObject) -> dict[str, str]:
    near = algorithms.texts("near") if "near" in algorithms.fields else {}
    if unknown := sorted(set(near.values()) - {NEAR}):
        raise FormatError(
            f"{algorithms.where}: near: algorithm {unknown[0]!r} is unknown; a newer version may be needed"
        )
    return near


def _questions(top: JsonObject) -> tuple[QuestionFile, ...] | None:
    if "decontamination" not in top.fields:
        return None
    entry = top.inner("decontamination")
    if (algorithm := entry.text("algorithm")) != DECONTAMINATION:
        raise FormatError(f"{entry.where}: algorithm {algorithm!r} is unknown; a newer version may be needed")
    files = []
    for file in entry.objects("files"):
        path, size = file.path("path"), file.integer("size")
        counts = file.integer("questions"), file.integer("too_short")
        files.append(QuestionFile(path, size, file.digest("sha256"), *counts))
        file.finish()
    entry.finish()
    return tuple(files)


def _parent(entry: JsonObject) -> str:
    parent, relation = entry.digest("id"), entry.text("relation")
    entry.finish()
    if relation != "disjoint":
        raise FormatError(f"{entry.where}: relation {relation!r} to a parent is not one of format {FORMAT}")
    return parent
