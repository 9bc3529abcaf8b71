"""Making the samples of a run (`training.watch.samples`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.batches.templates import Template
from training.batches.tokenizer import Tokenizer
from training.network.gemma import Network
from training.replies.generate import Decoding, generate
from training.replies.reply import read_reply
from training.watch.samples import REPLY_MOST, Sample


@dataclass(frozen=True)
class Prompt:
    """A held-out trace's place in the manifest, from 1, its source, and the ids that its completion follows."""

    sample: int
    source: str
    ids: tuple[int, ...]


class Sampler:
    """Makes the replies to `prompts`, which fit a row of `length` tokens with at least one token of reply each."""

    def __init__(
        self, prompts: Sequence[Prompt], tokenizer: Tokenizer, template: Template, length: int, precision: str
    ) -> None:
        self._prompts = tuple(prompts)
        self._tokenizer = tokenizer
        self._template = template
        self._precision = precision
        longest = max((len(prompt.ids) for prompt in prompts), default=0)
        self._decoding = Decoding(most=max(1, min(REPLY_MOST, length - longest)))

    def replies(self, network: Network, step: int) -> list[Sample]:
        """The network's replies as it is now, behind step `step`."""
        special = self._tokenizer.special
        ids = generate(
            network, [prompt.ids for prompt in self._prompts], special, self._decoding, self._precision
        )
        return [self._sample(step, *pair) for pair in zip(self._prompts, ids, strict=True)]

    def _sample(self, step: int, prompt: Prompt, reply: list[int]) -> Sample:
        end = self._tokenizer.special.end_of_turn
        ended = reply[-1] == end
        text = self._tokenizer.decode(reply[:-1] if ended else reply)
        lapse = read_reply(self._template, text, ended=ended).lapse
        told = None if lapse is None else str(lapse)
        asked = prompt_text(self._tokenizer, prompt.ids)
        return Sample(step, prompt.sample, prompt.source, asked, text, len(reply), told)


def prompt_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """What a person asked, from the ids that `training.batches.templates.encode_prompts` made of it."""
    user = list(ids[2 : ids.index(tokenizer.special.end_of_turn)])
    return tokenizer.decode(user).removeprefix("user\n")
