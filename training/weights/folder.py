"""Opening a folder of real weights as the base of a model, with every tensor checked before one is read."""

from pathlib import Path

import numpy as np

from training.errors import BaseError, SettingsError
from training.models import MODELS, Model, Shape
from training.network.gemma import Base, DrawnBase
from training.weights.names import EMBEDDING, Array, network_names
from training.weights.orbax_folder import OrbaxFolder, checkpoint_in
from training.weights.safetensors_folder import SafetensorsFolder
from training.weights.source import HUGGING_FACE, KAGGLE, READABLE, Layout, Source

VOCABULARY_MULTIPLE = 128  # of the rows of a drawn embedding
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
MOST_PADDING = 128  # rows behind the last piece: Kaggle's Gemma-2 has 128, Hugging Face's none
HEAD = "lm_head.weight"


class FolderBase:
    """The weights of a folder; a tensor is read when it is asked for, and not kept.

    `vocabulary` is the number of the tokenizer's pieces. The embedding is cut to it: rows behind the last piece can't
    be reached from text, and so every distribution of a model gives the same base digest.
    """

    def __init__(self, folder: Path, source: Source, layout: Layout, shape: Shape, vocabulary: int) -> None:
        """`source` must have passed `check_base`."""
        self.vocabulary = vocabulary
        self._folder = folder
        self._source = source
        self._layout = layout
        self._shape = shape

    def tensor(self, name: str, _shape: tuple[int, ...]) -> Array:
        """See `Base.tensor`. Raises `BaseError` when the data is damaged."""
        names = self._layout.names(self._shape, name)
        tensor = self._layout.assemble(self._shape, name, [self._source.read(each) for each in names])
        if name != EMBEDDING:
            return tensor
        if HEAD in self._source.found and not np.array_equal(tensor, self._source.read(HEAD)):
            raise BaseError(
                f"base {self._folder}: {HEAD} is not the embedding, as in every Gemma; no such model can be trained"
            )
        return tensor[: self.vocabulary]


def base_of(model: Model, folder: Path | None, vocabulary: int) -> Base:
    """The base of a model for a tokenizer of `vocabulary` pieces: drawn, or the weights in `folder`.

    Raises `SettingsError` for a folder too many or too few, and what `open_base` raises.
    """
    if model.base_seed is not None:
        if folder is not None:
            raise SettingsError(
                f"--base {folder}: model {model.name} draws its weights from a seed; leave --base out"
            )
        return DrawnBase(model.base_seed, embedding_rows(model, vocabulary))
    if folder is None:
        raise SettingsError(f"--base is missing; model {model.name} takes its weights from a folder")
    return open_base(folder, model.shape, vocabulary)


def embedding_rows(model: Model, vocabulary: int) -> int:
    """Rows of a model's embedding for a tokenizer of `vocabulary` pieces: as many, or a round number when drawn."""
    if model.base_seed is None:
        return vocabulary
    return -(-vocabulary // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def open_base(folder: Path, shape: Shape, vocabulary: int) -> Base:
    """The weights in `folder` for a network of `shape` and a tokenizer of `vocabulary` pieces.

    `folder` holds safetensors with Hugging Face's names, or an Orbax checkpoint with Google's, itself or in its only
    subfolder. Raises `BaseError`, in one line that says what was found, when it holds anything else, another model,
    or a model that is not whole.
    """
    if not folder.is_dir():
        what = "a file; give the folder that it is in" if folder.exists() else "no such folder"
        raise BaseError(f"base {folder}: {what}")
    if (checkpoint := checkpoint_in(folder)) is not None:
        source: Source = OrbaxFolder(checkpoint)
        layout = KAGGLE
    elif files := sorted(folder.glob("*.safetensors")):
        source, layout = SafetensorsFolder(folder, files), HUGGING_FACE
    else:
        raise BaseError(f"base {folder}: {_nothing_in(folder)}")
    check_base(folder, source, layout, shape, vocabulary)
    return FolderBase(folder, source, layout, shape, vocabulary)


def check_base(folder: Path, source: Source, layout: Layout, shape: Shape, vocabulary: int) -> None:
    """Raises `BaseError` when the tensors of `source` are not those of the model."""
    if adapter := next((name for name in source.found if "lora_" in name), None):
        raise BaseError(
            f"base {folder}: an adapter ({adapter!r}), expected the model that it was trained on; give its folder"
        )
    if problem := _problem(source, layout, shape):
        others = [
            model.shape for model in MODELS.values() if model.shape != shape and model.base_seed is None
        ]
        for other in others:
            if not _problem(source, layout, other):
                raise BaseError(
                    f"base {folder}: looks like {_called(other)}, asked for {_called(shape)}; "
                    "give its folder, or the other --model"
                )
        raise BaseError(f"base {folder}: {problem}; give the folder of {_called(shape)}")
    rows = source.found[layout.names(shape, EMBEDDING)[0]].shape[0]
    if not 0 <= rows - vocabulary <= MOST_PADDING:
        raise BaseError(
            f"base {folder}: an embedding of {rows:,} rows, but the tokenizer has {vocabulary:,} pieces; "
            f"give the model's own tokenizer.model"
        )


def _problem(source: Source, layout: Layout, shape: Shape) -> str:
    """What is wrong with the tensors for a network of `shape`; nothing when they are its own."""
    found, known = source.found, set[str]()
    for name in network_names(shape, 0):
        for written, expected in layout.shapes(shape, name, 0).items():
            known.add(written)
            if written not in found:
                return f"lacks {written!r}, which the model's {name} is made of"
            observed = found[written].shape
            size = (0, *observed[1:]) if name == EMBEDDING else observed
            if size != expected:
                shown = ("rows", *expected[1:]) if name == EMBEDDING else expected
                return f"{written!r} ({name}) has the shape {_size(observed)}, expected {_size(shown)}"
            if (kind := found[written].kind) not in READABLE:
                return f"{written!r} ({name}) has values of type {kind}, expected {', '.join(READABLE)}"
    for written in found:
        if layout.inside(written) and written not in known:
            return f"holds {written!r}, which the model has not"
    return ""


def _size(shape: tuple[object, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _called(shape: Shape) -> str:
    names = [model.name for model in MODELS.values() if model.shape == shape]
    return " or ".join(names) or f"a {shape.family} of {shape.layers} layers and width {shape.embed}"


def _nothing_in(folder: Path) -> str:
    endings = {path.suffix for path in folder.iterdir()}
    wanted = "expected .safetensors files, or an Orbax checkpoint as Kaggle ships it"
    if pickled := endings.intersection(PICKLED):
        return (
            f"only pickled weights ({min(pickled)}), which can run code when they are read; "
            "take the model as safetensors"
        )
    if ".gguf" in endings:
        return f"GGUF, made for inference; {wanted}"
    return f"no weights in it; {wanted}"
