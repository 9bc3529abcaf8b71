"""Asking a run: a prompt to a reply, in its parts."""

from dataclasses import dataclass

from manifests.keys import LARGEST_SEED
from training.batches.templates import encode_prompts, template_of
from training.errors import SettingsError
from training.replies.generate import Decoding, generate
from training.replies.reply import Lapse, read_reply
from training.runs.opened import Opened


@dataclass(frozen=True)
class Question:
    """What to ask, and how the reply is made (`training.replies.generate.Decoding`).

    `most` tokens of a reply, None: what the prompt leaves of the length that the run was trained on.
    """

    prompt: str
    temperature: float = 0.0
    seed: int = 0
    most: int | None = None

    def check(self) -> None:
        """Raises `SettingsError` for what can be told to be wrong before a run is opened."""
        Decoding(1 if self.most is None else self.most, self.temperature)
        if not 0 <= self.seed <= LARGEST_SEED:
            raise SettingsError(f"--seed {self.seed}: expected an integer from 0 to {LARGEST_SEED}")
        if not self.prompt.strip():
            raise SettingsError("--prompt: empty; give something to ask")
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise SettingsError("--prompt: not UTF-8; give text") from None


@dataclass(frozen=True)
class Answered:
    """A reply, and its parts as far as it keeps the template's format; `tokens` has the end of turn."""

    reply: str
    reasoning: str | None
    answer: str | None
    lapse: Lapse | None
    tokens: int


def ask(opened: Opened, question: Question) -> Answered:
    """The reply of a run. The same run and question give the same reply, on the same devices and libraries.

    Raises `SettingsError` for a prompt that is too long or holds a turn marker, and for what `Question.check` tells.
    """
    question.check()
    tokenizer, settings = opened.tokenizer, opened.settings
    [text] = tokenizer.encode([question.prompt])
    if not set(text).isdisjoint(tokenizer.special.ids):
        raise SettingsError(
            "--prompt: a turn marker stands in it, and would read as a turn that nobody took; leave it out"
        )
    [ids] = encode_prompts(tokenizer, [question.prompt])
    left = settings.length - len(ids)
    most = left if question.most is None else question.most
    if left < 1 or most > left:
        told = "a reply" if question.most is None else f"--most {most:,}"
        raise SettingsError(
            f"--prompt: {len(ids):,} tokens with its turns, and the run was trained on {settings.length:,} at most: "
            f"no room for {told}; ask for less"
        )
    decoding = Decoding(most, question.temperature, question.seed)
    [reply] = generate(opened.network, [ids.tolist()], tokenizer.special, decoding, settings.precision)
    ended = reply[-1] == tokenizer.special.end_of_turn
    read = tokenizer.decode(reply[:-1] if ended else reply)
    parts = read_reply(template_of(settings.template), read, ended=ended)
    return Answered(read, parts.reasoning, parts.answer, parts.lapse, len(reply))
