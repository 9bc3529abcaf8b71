"""What a folder of weights is to the rest: tensors by names of its own, and how they make up the network's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.models import Shape
from training.weights.kaggle_names import assemble_kaggle, kaggle_names, kaggle_shapes
from training.weights.names import Array, assemble, huggingface_names, huggingface_shapes

READABLE = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Found:
    """A tensor of a folder, not read yet. `kind` is the type of its values, in NumPy's words where it is `READABLE`."""

    shape: tuple[int, ...]
    kind: str


class Source(Protocol):
    """The tensors of a folder."""

    @property
    def found(self) -> Mapping[str, Found]:
        """What there is, by name."""

    def read(self, name: str) -> Array:
        """A tensor of `found` that has a `READABLE` kind. Raises `BaseError` when it is damaged."""


@dataclass(frozen=True)
class Layout:
    """How a format names and lays out the tensors of a network; the functions of `names.py` say what each does.

    `inside` tells whether a name belongs to the decoder, of which every tensor must be known.
    """

    names: Callable[[Shape, str], tuple[str, ...]]
    shapes: Callable[[Shape, str, int], dict[str, tuple[int, ...]]]
    assemble: Callable[[Shape, str, Sequence[Array]], Array]
    inside: Callable[[str], bool]


HUGGING_FACE = Layout(
    huggingface_names,
    huggingface_shapes,
    assemble,
    # Old files hold the frequencies of the rotary positions, which follow from the shape.
    inside=lambda name: name.startswith("model.layers.") and not name.endswith("rotary_emb.inv_freq"),
)
KAGGLE = Layout(kaggle_names, kaggle_shapes, assemble_kaggle, inside=lambda name: name.startswith("layer_"))


def widened(tensor: Array) -> Array:
    """float16 as float32, which holds it exactly; all else as it is."""
    return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor
