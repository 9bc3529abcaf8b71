"""Kaggle's `dataset-metadata.json`. Pure.

Specification: docs/datasets_metadata.md of Kaggle's command line, and the limits that its code holds.
"""

import re

from manifests.errors import CommandError
from manifests.export.facts import Facts
from manifests.export.licenses import kaggle_license
from manifests.tables import CONTENT
from manifests.words import count

FILE_NAME = "dataset-metadata.json"
NO_OWNER = "INSERT_OWNER"

_OWNER = re.compile("[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_LONGEST = 50  # characters of a title and of a slug
_TYPES = {"string": "string", "u64": "integer"}


def check_owner(owner: str) -> str:
    """`owner`, if it can be the slug of a user or organisation of Kaggle; CommandError otherwise."""
    if not _OWNER.fullmatch(owner):
        raise CommandError(
            f"--owner {owner!r}: expected the name in your Kaggle address, letters, digits and - only"
        )
    return owner


def kaggle_metadata(facts: Facts, owner: str, description: str) -> dict[str, object]:
    """The object of `dataset-metadata.json`; `description` is Markdown.

    Title and slug have 14 to 50 characters (6 to 50 are allowed), the subtitle 20 to 80.
    """
    name = facts.name[: _LONGEST - len(facts.short_id) - 1].rstrip("-")
    return {
        "title": f"{name} {facts.short_id}",
        "subtitle": f"{count(facts.identity.rows, 'reasoning trace')}, verifiable row by row",
        "description": description,
        "id": f"{owner}/{name}-{facts.short_id}",
        "licenses": [{"name": kaggle_license(facts.licenses.values())}],
        "keywords": ["nlp", "text"],
        "resources": [
            {
                "path": file.path,
                "description": f"Traces, file {number} of {len(facts.data)}",
                "schema": {"fields": [_field(column) for column in CONTENT.columns.split(",")]},
            }
            for number, file in enumerate(facts.data, 1)
        ],
    }


def _field(column: str) -> dict[str, str]:
    name, kind = column.split(":")
    return {"name": name, "title": name, "type": _TYPES[kind]}
