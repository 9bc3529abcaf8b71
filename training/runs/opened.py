"""A run opened to be used: its network with its adapter, its tokenizer and its settings."""

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path

from training.batches.tokenizer import Tokenizer
from training.errors import BaseError, RunFolderError
from training.models import Model, model_of
from training.network.gemma import Network, adapter_tensors, build_network, load_adapter
from training.network.tensors import Tensor
from training.runs.folder import RUNNING, TOKENIZER, Record, check_adapter, read_record
from training.settings import Settings, with_flags, with_values
from training.weights.folder import base_of


@dataclass(frozen=True)
class Opened:
    """A run to generate with, to score with, or to export."""

    network: Network
    tokenizer: Tokenizer
    settings: Settings
    model: Model
    record: Record
    adapter: dict[str, Tensor]


def open_run(path: Path, base: Path | None) -> Opened:
    """Open a run that has an adapter, stopped or finished; its folder is only read.

    `base` is the folder of the model's weights, None for a model that draws its own. Raises `RunFolderError` for a
    folder that is no such run, or is damaged; `ModelError` for a model of another version; `BaseError` for weights that
    the run was not trained on.
    """
    record = read_record(path)
    if record.get("status") == RUNNING:
        raise RunFolderError(
            f"{path}: has no adapter yet: the run has neither stopped nor finished; start it again to finish it"
        )
    model = model_of(str(record.get("model")))
    settings = recorded_settings(path, record, model.defaults)
    adapter = check_adapter(path, record)
    tokenizer = recorded_tokenizer(path, record)
    network, digest = build_network(model.shape, base_of(model, base, tokenizer.vocabulary), settings)
    if digest != record.get("base_digest"):
        raise BaseError(
            f"{path}: trained on a base with digest {record.get('base_digest')}, "
            f"{'drawn' if base is None else base} has {digest}; give the base that the run was trained on"
        )
    expected = {name: tensor.shape for name, tensor in adapter_tensors(network).items()}
    if (observed := {name: tensor.shape for name, tensor in adapter.items()}) != expected:
        name = min(
            name for name in expected.keys() | observed.keys() if expected.get(name) != observed.get(name)
        )
        raise RunFolderError(
            f"{path}: its adapter's {name} is {observed.get(name)}, expected {expected.get(name)}; the run is damaged"
        )
    load_adapter(network, adapter)
    return Opened(network, tokenizer, settings, model, record, adapter)


def recorded_settings(path: Path, record: Record, defaults: Settings) -> Settings:
    """The settings of a record, each checked as one of a configuration file is.

    Raises `RunFolderError` for keys that are not this version's, `SettingsError` for a value that can't be.
    """
    recorded = record.get("settings")
    names = {field.name for field in fields(Settings)}
    if not isinstance(recorded, dict) or recorded.keys() != names:
        found = ", ".join(sorted(recorded.keys() ^ names)) if isinstance(recorded, dict) else "none at all"
        raise RunFolderError(
            f"{path}: its settings are not those of this version ({found}); take the version that wrote it"
        )
    values = {key: _as_written(key, value) for key, value in recorded.items() if key != "steps"}
    return with_flags(with_values(defaults, values, f"{path}: settings: "), None, recorded["steps"])


def recorded_tokenizer(path: Path, record: Record) -> Tokenizer:
    """The tokenizer that a run keeps. Raises `RunFolderError` when it is not the one that it was trained with."""
    tokenizer = Tokenizer.open(path / TOKENIZER)
    if tokenizer.digest != record.get("tokenizer"):
        raise RunFolderError(
            f"{path / TOKENIZER}: SHA-256 {tokenizer.digest}, run.json says {record.get('tokenizer')}; "
            "the run is damaged"
        )
    return tokenizer


def _as_written(key: str, value: object) -> object:
    """A recorded value as a configuration file would give it."""
    decimal = isinstance(value, float) or (key == "held_out" and isinstance(value, str))
    try:
        return Decimal(str(value)) if decimal else value
    except InvalidOperation:
        return value
