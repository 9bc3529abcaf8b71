"""Croissant 1.1: the description of the data in JSON-LD, as `mlcroissant` reads it. Pure.

Specification: docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. There is no `datePublished`: the same manifest
gives the same text on any day, and whoever publishes it adds the date.
"""

from collections.abc import Mapping

from manifests.export.facts import Facts
from manifests.export.licenses import license_references
from manifests.tables import CONTENT
from manifests.words import count

FILE_NAME = "croissant.json"
RECORD_SET = "traces"

_FILE_SET = "data-files"
_PARQUET = "application/x-parquet"  # what mlcroissant knows parquet by
_TYPES = {"string": "sc:Text", "u64": "cr:UInt64"}
_MEANINGS = {
    "source": "The name of the source that the trace comes from.",
    "row": "The row of the source, counted from 1.",
    "prompt": "What is asked.",
    "reasoning": "The reasoning before the answer.",
    "answer": "The answer.",
}
# The context that the specification prescribes.
_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {
    word: f"cr:{word}"
    for word in (
        *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
        *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
        *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
        *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
    )
}


def croissant(facts: Facts) -> dict[str, object]:
    """The object of `croissant.json`: the data files with their digests, and a record set over all of them."""
    identity = facts.identity
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": facts.title,
        "description": f"{count(identity.rows, 'reasoning trace')}: the rows of manifest {identity.id}, in its order.",
        "license": license_references(facts.licenses.values()),
        "version": f"{1 if facts.version is None else facts.version.number}.0.0",
        "citeAs": (
            f"@misc{{{facts.name}-{facts.short_id}, title = {{{facts.title}}}, "
            f"note = {{Tunix Zero-Cost manifest {identity.id}, content digest {identity.content_digest}}}}}"
        ),
        "distribution": [
            *(
                {
                    "@type": "cr:FileObject",
                    "@id": file.path,
                    "name": file.path.rpartition("/")[2],
                    "contentUrl": file.path,
                    "contentSize": f"{file.size} B",
                    "encodingFormat": _PARQUET,
                    "sha256": file.sha256,
                }
                for file in facts.data
            ),
            {
                "@type": "cr:FileSet",
                "@id": _FILE_SET,
                "name": _FILE_SET,
                "encodingFormat": _PARQUET,
                "includes": facts.data_glob,
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": RECORD_SET,
                "name": RECORD_SET,
                "description": "One reasoning trace a record, in training order.",
                "field": [_field(column) for column in CONTENT.columns.split(",")],
            }
        ],
    }


def _field(column: str) -> dict[str, object]:
    name, kind = column.split(":")
    return {
        "@type": "cr:Field",
        "@id": f"{RECORD_SET}/{name}",
        "name": name,
        "description": _MEANINGS[name],
        "dataType": _TYPES[kind],
        "source": {"fileSet": {"@id": _FILE_SET}, "extract": {"column": name}},
    }
