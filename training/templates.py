r"""How a trace becomes text and tokens, and which of them are trained on.

A template is two texts around the turn specials of Gemma's chat format. The specials are put in as ids, never as text.
Prompt and completion are encoded apart: generation begins after `model\n` on exactly the ids that training saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from training.errors import SettingsError
from training.tokenizer import Tokenizer


@dataclass(frozen=True)
class Template:
    r"""A chat template, with `completion` of a trace's reasoning and answer.

    `<bos><start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\n{completion}<end_of_turn>\n`
    """

    name: str
    completion: Callable[[str, str], str]


def _think(reasoning: str, answer: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


TEMPLATES = {template.name: template for template in (Template("gemma-think/1", _think),)}


def template_of(name: str) -> Template:
    """The template called `name`. Raises `SettingsError` with the names there are."""
    try:
        return TEMPLATES[name]
    except KeyError:
        raise SettingsError(f"template {name!r} is not known; known: {', '.join(TEMPLATES)}") from None


@dataclass(frozen=True)
class EncodedTrace:
    """A trace as ids; `ids[loss_start:loss_end]` is what is trained on: the completion and its end of turn."""

    ids: npt.NDArray[np.int32]
    loss_start: int
    loss_end: int
    forges_turn: bool


def encode_traces(
    template: Template,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    reasonings: Sequence[str],
    answers: Sequence[str],
) -> list[EncodedTrace]:
    """Encode traces, given as three columns of one length.

    A trace `forges_turn` when its own text encodes to a special: it would read as a turn that nobody took.
    """
    special = tokenizer.special
    forbidden = set(special.ids)
    newline, model = tokenizer.encode(["\n", "model\n"])
    users = tokenizer.encode([f"user\n{prompt}" for prompt in prompts])
    completions = tokenizer.encode(list(map(template.completion, reasonings, answers)))
    traces = []
    for user, completion in zip(users, completions, strict=True):
        opening = [special.bos, special.start_of_turn, *user, special.end_of_turn, *newline]
        opening += [special.start_of_turn, *model]
        ids = np.array([*opening, *completion, special.end_of_turn, *newline], dtype=np.int32)
        forged = not forbidden.isdisjoint(chain(user, completion))
        traces.append(EncodedTrace(ids, len(opening), len(ids) - len(newline), forged))
    return traces
