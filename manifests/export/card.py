"""The dataset card of an exported folder: front matter as the Hub reads it, then what there is to know. Pure.

The keys are those of the Hub's dataset card specification and of `datasets`' own `dataset_info`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from manifests.export.facts import Facts
from manifests.export.licenses import hub_licenses
from manifests.export.markup import Yaml, markdown, markdown_table, yaml_lines
from manifests.identity import SourceRecord
from manifests.tables import CONTENT
from manifests.words import SHORT_ID, count

# `datasets` calls the types of Arrow so.
_DTYPES = {"string": "string", "u64": "uint64"}
_CODE = re.compile("[a-z]{2,3}")
_TAME_NAME = re.compile(
    "[a-z0-9][a-z0-9-]{0,63}"
)  # what a recipe allows; a manifest from elsewhere may hold anything
_MOST_NAMED = 8  # sources in a command
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "n>1B")

CONTENT_FEATURES: tuple[Mapping[str, Yaml], ...] = tuple(
    {"name": name, "dtype": _DTYPES[kind]}
    for name, kind in (column.split(":") for column in CONTENT.columns.split(","))
)


def card(facts: Facts, features: Sequence[Mapping[str, Yaml]], columns: str) -> str:
    """The text of README.md. `features` describe the columns to `datasets`, the paragraph `columns` to people."""
    return "\n".join(
        ["---", *yaml_lines(_front_matter(facts, features)), "---", "", card_body(facts, columns)]
    )


def _front_matter(facts: Facts, features: Sequence[Mapping[str, Yaml]]) -> dict[str, Yaml]:
    licenses = hub_licenses(facts.licenses.values())
    languages = _languages(facts)
    return {
        "license": licenses[0] if len(licenses) == 1 else licenses,
        **({"language": languages} if languages else {}),
        "pretty_name": facts.title,
        "task_categories": ["text-generation"],
        "tags": ["reasoning", "chain-of-thought", "tunix-zero-cost"],
        "size_categories": [size_category(facts.identity.rows)],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": facts.data_glob}]},
        ],
        "dataset_info": {
            "config_name": "default",
            "features": features,
            "splits": [
                {"name": "train", "num_bytes": facts.data_bytes, "num_examples": facts.identity.rows},
            ],
            "download_size": sum(file.size for file in facts.data),
            "dataset_size": facts.data_bytes,
        },
    }


def size_category(rows: int) -> str:
    """The Hub's category for a number of rows: a lower bound belongs to it, an upper one does not."""
    thousands = 0
    while thousands < len(_SIZES) - 1 and rows >= 10 ** (3 + thousands):
        thousands += 1
    return _SIZES[thousands]


def _languages(facts: Facts) -> list[str]:
    """The languages of the rows, if a detector of languages was asked for each source; else none are known."""
    codes = set()
    wanted = {str(entry.get("name")): entry.get("language") for entry in _recipe_sources(facts)}
    for source in facts.identity.sources:
        detector = facts.identity.detectors.get(source.name)
        language = wanted.get(source.name)
        code = language.get("is") if isinstance(language, dict) else language
        told = detector is not None and detector.algorithm.startswith("langdetect")
        short = code.partition("-")[0] if isinstance(code, str) else ""
        if not told or not _CODE.fullmatch(short):
            return []
        codes.add(short)
    return sorted(codes)


def _recipe_sources(facts: Facts) -> list[dict[str, object]]:
    entries = facts.identity.recipe.get("source")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def card_body(facts: Facts, columns: str) -> str:
    """The card without its front matter: Markdown that ends with a line feed."""
    identity = facts.identity
    sections = (
        ("Sources", _sources(facts)),
        ("What was dropped", _ledger(facts)),
        ("Files of the sources", _files(facts)),
        ("Lineage", _lineage(facts)),
        ("Verify and regenerate", _commands(facts)),
        ("Digests", _digests(facts)),
    )
    lines = [
        f"# {facts.title}",
        "",
        f"{count(identity.rows, 'reasoning trace')}, in the order they are trained in: the rows of the manifest",
        f"`{identity.id}`.",
        "A manifest is the immutable record of exactly which rows, from exactly which files, in which order.",
        "",
        columns,
    ]
    for heading, content in sections:
        lines += ["", f"## {heading}", "", *content]
    return "\n".join([*lines, ""])


def _manifest_file(facts: Facts) -> str:
    return f"`manifests/{facts.identity.id}/manifest.json`"


def _sources(facts: Facts) -> list[str]:
    identity = facts.identity
    rows = [
        (
            source.name,
            ledger.rows,
            ledger.stages[0].rows_in,
            identity.takes[source.name],
            facts.licenses[source.name],
            _origin(source),
        )
        for source, ledger in zip(identity.sources, identity.ledger, strict=True)
    ]
    header = ("source", "rows", "of", "draw", "licence", "from")
    return [
        *markdown_table(header, rows, _manifest_file(facts)),
        "",
        f"Order of the mix: {markdown(identity.order)}. Licences are the recipe's words, and not part of the id.",
    ]


def _origin(source: SourceRecord) -> str:
    return "local files" if source.hub is None else f"{source.hub[0]} at {source.hub[1]}"


def _ledger(facts: Facts) -> list[str]:
    rows = [
        (source.source, stage.stage, stage.rows_in, stage.rows_out, _reasons(stage.dropped))
        for source in facts.identity.ledger
        for stage in source.stages
    ]
    return markdown_table(("source", "stage", "in", "out", "dropped"), rows, _manifest_file(facts))


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {reason}" for reason, rows in sorted(dropped.items()))


def _files(facts: Facts) -> list[str]:
    rows = [
        (source.name, file.path, file.size, f"{file.first_row:,} to {file.last_row:,}", file.sha256)
        for source in facts.identity.sources
        for file in source.files
    ]
    return markdown_table(("source", "file", "bytes", "rows", "SHA-256"), rows, _manifest_file(facts))


def _lineage(facts: Facts) -> list[str]:
    if not facts.ancestors:
        return [
            "No earlier manifest was named: nothing was left out for its sake, no training is gone on with."
        ]
    rows = [
        (
            ancestor.child[:SHORT_ID],
            ancestor.relation,
            ancestor.id,
            ", ".join(ancestor.names),
            _size(ancestor.rows),
        )
        for ancestor in facts.ancestors
    ]
    return [
        *markdown_table(("manifest", "relation", "to", "called", "rows"), rows, _manifest_file(facts)),
        "",
        "`disjoint`: no row of it may be here. `continue`: its training is gone on with.",
        "Those that were at hand are in this folder, without their datasets.",
    ]


def _size(rows: int | None) -> str:
    return "not at hand" if rows is None else f"{rows:,}"


def _commands(facts: Facts) -> Iterator[str]:
    has_dataset = facts.data_glob.startswith("datasets/")
    local = [source.name for source in facts.identity.sources if source.hub is None]
    where = "".join(f" --sources {name}=DIR" for name in local[:_MOST_NAMED] if _TAME_NAME.fullmatch(name))
    yield "This folder is a store of Tunix Zero-Cost. In it:"
    yield from ("", "```bash")
    yield f"manifests verify {facts.short_id}{' --dataset' * has_dataset} --store ."
    yield f"curation regenerate {facts.short_id} --store . --out ../{facts.name}-again{where}"
    yield "```"
    yield ""
    yield (
        "The first recomputes every digest and the id"
        + (" and holds every row of the data against them" * has_dataset)
        + ". The second rebuilds the dataset from the files of the sources: the same rows in the same order, or none."
    )


def _digests(facts: Facts) -> list[str]:
    identity = facts.identity
    rows = [
        ("id", identity.id),
        ("content_digest", identity.content_digest),
        ("rows_digest", identity.rows_digest),
        ("rejects_digest", identity.rejects_digest),
    ]
    return markdown_table(("what", "SHA-256"), rows, _manifest_file(facts))
