"""Reading the identity of a manifest: every field by its kind, nothing that format 1 does not know. Pure."""

import re
from itertools import pairwise

from manifests import keys
from manifests.canonical import parse_canonical
from manifests.errors import FormatError
from manifests.identity import (
    DECONTAMINATION,
    DETECTORS,
    FORMAT,
    NEAR,
    RELATIONS,
    SKETCH,
    Detector,
    FileRecord,
    Identity,
    Parent,
    QuestionFile,
    SourceRecord,
    schemas,
)
from manifests.json_object import JsonObject
from manifests.ledger import SourceLedger, Stage
from manifests.tables import ENCODING, ROWS, SKETCHED_ROWS

SOURCE_NAME = re.compile("(?![0-9a-f]{8,}$)[a-z0-9][a-z0-9-]{0,63}")


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
    counts, algorithms, detectors = (top.inner(key) for key in ("counts", "algorithms", "detectors"))
    for key, known in (("content", keys.CONTENT_ALGORITHM), ("prompt", keys.PROMPT_ALGORITHM)):
        if (named := algorithms.text(key)) != known:
            raise FormatError(f"{where}: algorithm {named!r} for {key} keys; format {FORMAT} has {known!r}")
    sketched = _sketched(algorithms)
    if (named_schemas := top.take("schemas")) != schemas(SKETCHED_ROWS if sketched else ROWS):
        raise FormatError(f"{where}: schemas {named_schemas!r} are not those of format {FORMAT}")
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
        sketched=sketched,
    )
    for seen in (counts, algorithms, detectors, top):
        seen.finish()
    names = {source.name for source in identity.sources}
    if len(set(identity.parents)) != len(identity.parents):
        raise FormatError(f"{where}: a parent stands twice; the manifest is damaged")
    if set(identity.takes) != names or not {*identity.detectors, *identity.near} <= names:
        raise FormatError(
            f"{where}: takes, detectors or near duplicates of other sources than {', '.join(sorted(names))}; "
            "the manifest is damaged"
        )
    return identity


def _source(entry: JsonObject) -> SourceRecord:
    name, origin = entry.text("name"), entry.take("origin")
    if not SOURCE_NAME.fullmatch(name):
        raise entry.wrong("name", "1 to 64 of a-z, 0-9 and -, not 8 or more hex digits alone", ascii(name))
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
        if 0 in counts.values():
            raise dropped.wrong(
                next(reason for reason in counts if not counts[reason]), "left out or above 0", 0
            )
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


def _sketched(algorithms: JsonObject) -> bool:
    if "sketch" not in algorithms.fields:
        return False
    if (named := algorithms.text("sketch")) != SKETCH:
        raise FormatError(
            f"{algorithms.where}: sketch: algorithm {named!r} is unknown; a newer version may be needed"
        )
    return True


def _parent(entry: JsonObject) -> Parent:
    parent = Parent(entry.digest("id"), entry.text("relation"))
    entry.finish()
    if parent.relation not in RELATIONS:
        raise FormatError(
            f"{entry.where}: relation {parent.relation!r} to a parent is not one of format {FORMAT}"
        )
    return parent
