"""Export, top to bottom: run → base, verified → weights → what describes them → its place, whole or not at all."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from manifests import disk
from training.errors import OtherBaseError, SettingsError
from training.export.card import FORMATS, MERGED, NOTICE, ORBAX, PEFT, PROVENANCE, model_card
from training.export.configuration import (
    PUBLIC_NAMES,
    Json,
    adapter_configuration,
    generation_configuration,
    model_configuration,
)
from training.export.kaggle import kaggle_tree, write_orbax
from training.export.lora import merged_tensors, peft_tensors
from training.export.shards import SHARD_BYTES, Planned, plan_files, write_shards
from training.export.tokenizer_files import CONFIGURATION_FILE, JSON_FILE, MODEL_FILE, Pieces
from training.export.trained import TrainedRun, open_trained
from training.network.gemma import Base
from training.network.tensors import Digest, write_tensors
from training.weights.folder import base_of
from training.weights.names import (
    EMBEDDING,
    Array,
    assemble,
    huggingface_names,
    huggingface_shapes,
    network_names,
)

FORMAT = 1
ADAPTER = "adapter_model.safetensors"
PASSED_ON = (
    "settings",
    "schedule",
    "sessions",
    "continued_from",
    "overlap",
)  # of the run's record, as they stand there


@dataclass(frozen=True)
class Exported:
    """What was written: the run's manifest, plan and cursor, the format, the folder, and all files in it by path."""

    manifest: str
    plan: str
    cursor: int
    format: str
    folder: Path
    files: tuple[str, ...]


def export_run(path: Path, kind: str, out: Path, base: Path | None, say: Callable[[str], None]) -> Exported:
    """Write the adapter of the run in `path` into the new folder `out`, as `kind` says: one of `FORMATS`.

    `base` is the folder of the weights that the run was trained on, for `merged` and `orbax` of a model that has any.
    The run is only read. Raises `SettingsError` for what can't be asked together and a folder that is there, and what
    `open_trained`, `base_of` and `write_export` raise.
    """
    if kind not in FORMATS:
        raise SettingsError(f"format {kind!r}: expected one of {', '.join(FORMATS)}")
    if out.exists() or out.is_symlink():
        raise _taken(out)
    run = open_trained(path)
    if kind != PEFT:
        opened: Base | None = base_of(run.model, base, run.vocabulary)
    elif base is None:
        opened = None
    else:
        raise SettingsError(f"--base {base}: the format {PEFT} has no base in it; leave --base out")
    return write_export(run, kind, out, opened, say)


def write_export(
    run: TrainedRun,
    kind: str,
    out: Path,
    base: Base | None,
    say: Callable[[str], None],
    shard_bytes: int = SHARD_BYTES,
) -> Exported:
    """Write a run's adapter into the new folder `out`, whole or not at all. `base` is None for the format `peft`.

    A merged model is spread over files of at most `shard_bytes` bytes. Raises `OtherBaseError` for a base that is not
    the run's, `TokenizerError` for a tokenizer that has no form of transformers', `SettingsError` for a folder that is
    there, `StoreError` (of manifests) for a disk that can't be written.
    """
    pieces = Pieces(run.tokenizer, MODEL_FILE)
    with disk.writing(out), disk.staging(out.absolute().parent) as staged:
        if base is None:
            _write_peft(staged, run)
        else:
            say("reading the base, to see that it is the run's")
            kinds = _check_base(run, base)
            say("merging")
            if kind == MERGED:
                _write_merged(staged, run, base, kinds, pieces, shard_bytes)
            else:
                tree = kaggle_tree(run.model.shape, _merged(run, base))
                write_orbax(staged / run.model.name, tree, run.metadata)
        (staged / MODEL_FILE).write_bytes(run.tokenizer)
        if kind != ORBAX:
            (staged / JSON_FILE).write_bytes(pieces.tokenizer_json())
            (staged / CONFIGURATION_FILE).write_bytes(pieces.tokenizer_configuration())
        if run.model.name in PUBLIC_NAMES:
            (staged / "NOTICE").write_text(NOTICE + "\n", encoding="utf-8")
        (staged / "README.md").write_text(model_card(run, kind), encoding="utf-8")
        files = _files(staged)
        _write_json(staged / PROVENANCE, _provenance(run, kind, files))
        if not disk.move_into_place(staged, out.absolute()):
            raise _taken(out)
    written = tuple(sorted([*files, PROVENANCE]))
    return Exported(run.digests["manifest"], run.digests["plan"], run.cursor, kind, out, written)


def _taken(out: Path) -> SettingsError:
    return SettingsError(f"--out {out}: it exists already, and an export makes a new folder; choose another")


def _check_base(run: TrainedRun, base: Base) -> dict[str, str]:
    """The type of the values of every tensor of the base. Raises `OtherBaseError` when it is not the run's."""
    digest, kinds = Digest(), {}
    for name, size in network_names(run.model.shape, base.vocabulary).items():
        tensor = base.tensor(name, size)
        kinds[name] = tensor.dtype.name
        digest.add(name, tensor)
    if digest.hex() != run.digests["base_digest"]:
        raise OtherBaseError(
            f"base: digest {digest.hex()}, the run was trained on {run.digests['base_digest']}; "
            "an adapter goes with its own base only: give the folder that the run was given"
        )
    return kinds


def _merged_parts(run: TrainedRun, base: Base) -> Iterator[tuple[str, dict[str, Array]]]:
    """The base's tensors by name, each as its Hugging Face tensors with the adapter added."""
    for name, size in network_names(run.model.shape, base.vocabulary).items():
        yield name, merged_tensors(run.model.shape, run.adapter, run.scale, name, base.tensor(name, size))


def _merged(run: TrainedRun, base: Base) -> Iterator[tuple[str, Array]]:
    """The merged model's tensors in the network's layout."""
    shape = run.model.shape
    for name, parts in _merged_parts(run, base):
        yield name, assemble(shape, name, [parts[each] for each in huggingface_names(shape, name)])


def _write_peft(staged: Path, run: TrainedRun) -> None:
    tensors = peft_tensors(run.model.shape, run.adapter)
    write_tensors(staged / ADAPTER, tensors, {**run.metadata, "format": "pt"})
    _write_json(
        staged / "adapter_config.json",
        adapter_configuration(run.model.name, run.settings.rank, run.settings.alpha),
    )


def _write_merged(
    staged: Path, run: TrainedRun, base: Base, kinds: dict[str, str], pieces: Pieces, shard_bytes: int
) -> None:
    shape, rows = run.model.shape, base.vocabulary
    planned = (
        Planned(each, kinds[name], size)
        for name in network_names(shape, rows)
        for each, size in huggingface_shapes(shape, name, rows).items()
    )
    tensors = (item for _, parts in _merged_parts(run, base) for item in parts.items())
    write_shards(staged, plan_files(planned, shard_bytes), tensors, {**run.metadata, "format": "pt"})
    configuration = model_configuration(shape, rows, kinds[EMBEDDING], pieces.special, pieces.end_of_text)
    _write_json(staged / "config.json", configuration)
    _write_json(
        staged / "generation_config.json", generation_configuration(pieces.special, pieces.end_of_text)
    )


def _provenance(run: TrainedRun, kind: str, files: dict[str, tuple[int, str]]) -> Json:
    return {
        "format": FORMAT,
        "export": kind,
        "model": run.model.name,
        "base_model": PUBLIC_NAMES.get(run.model.name),
        "manifest_name": run.manifest_name,
        **run.metadata,
        "cursor": run.cursor,
        "steps": run.steps,
        "adapter_digest": run.digests["adapter_digest"],
        **{key: run.record.get(key) for key in PASSED_ON},
        "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in files.items()},
    }


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): disk.sha256_file(path) for path in paths}


def _write_json(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
