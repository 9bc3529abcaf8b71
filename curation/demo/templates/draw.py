"""What every template draws with: seeded choices, people, and prose in a small notation of alternatives."""

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

Option = TypeVar("Option")


@dataclass(frozen=True, slots=True)
class Trace:
    """One sample: a question, the thinking that solves it, and the answer."""

    prompt: str
    reasoning: str
    answer: str


class Person(NamedTuple):
    """Somebody in a story, with the two pronouns that a sentence about them needs."""

    name: str
    she: str
    her: str


_WOMEN = """Ana Bea Clara Dina Elena Freya Grace Hana Iris Julia Kim Lena
Maya Nora Olga Petra Rosa Sofia Tara Uma Vera Wanda Yara Zoe"""
_MEN = """Adam Ben Carlos David Emil Felix George Hugo Ivan Jonas Karim Leo
Marco Nils Omar Paul Ravi Samuel Tom Ugo Victor Will Yusuf Zane"""
_PEOPLE = tuple(
    [Person(name, "she", "her") for name in _WOMEN.split()]
    + [Person(name, "he", "his") for name in _MEN.split()]
)

_OPENINGS = (
    "Okay, let me work through this.",
    "Let me start with what I know.",
    "Alright, one step at a time.",
    "First I want to be sure what is being asked.",
    "Let me read that again slowly.",
    "Okay, so I need to be careful here.",
    "I'll write down the facts first.",
    "Let's see.",
    "Hmm, let me think about how to set this up.",
    "This looks manageable if I go in order.",
    "I have seen puzzles like this, but let me actually do the work.",
    "Before I calculate anything, let me sort out what is given.",
    "Right, let me take this apart.",
    "I'd rather do this properly than guess.",
    "Okay. What do I have, and what do I want?",
    "Let me think this through from the beginning.",
)

_CHECKS = (
    "Let me check that.",
    "Does this hold up?",
    "Now a second look, to be safe.",
    "Before I answer, I want to test it.",
    "A quick sanity check:",
    "One more look at it.",
    "I should verify this.",
    "Wait, let me make sure I did not slip.",
    "To be certain, I'll go over it once more.",
    "Let me double-check from the other side.",
)

_CONFIRMATIONS = (
    "That fits.",
    "Good, it agrees.",
    "Yes, that matches.",
    "So the result stands.",
    "Nothing is off, so I am happy with it.",
    "No contradiction anywhere.",
    "That is what it should be.",
    "Good. I can answer now.",
    "It works out.",
    "That settles it.",
)

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")


class Draw:
    """Seeded choices for one source.

    Only methods of `random.Random` whose sequences are stable between Python versions are used, and the seed
    is the SHA-256 of a text, so the same text gives the same choices everywhere. `care` is the probability
    that an optional check is written out: the higher, the longer the traces.
    """

    def __init__(self, seed: str, *, care: float) -> None:
        self._random = random.Random(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))
        self._care = care

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return self._random.randint(low, high)

    def one(self, *options: Option) -> Option:
        """One of the options."""
        return self._random.choice(options)

    def order(self, options: Sequence[Option]) -> list[Option]:
        """All options, in a drawn order."""
        shuffled = list(options)
        self._random.shuffle(shuffled)
        return shuffled

    def some(self, options: Sequence[Option], count: int) -> list[Option]:
        """`count` different options, in a drawn order."""
        return self.order(options)[:count]

    def people(self, count: int) -> list[Person]:
        """Different people; their names begin with different letters."""
        chosen: dict[str, Person] = {}
        for person in self.order(_PEOPLE):
            chosen.setdefault(person.name[0], person)
        return list(chosen.values())[:count]

    def opening(self) -> str:
        """A sentence that begins to think, in English."""
        return self.one(*_OPENINGS)

    def tell(self, text: str) -> str:
        """The text with its choices made.

        `[this|or that|]` becomes one of its alternatives (the last here is nothing); they may be nested.
        `[?check]` is written out with the source's probability of care, between a sentence that doubts and one
        that is content (`[!check]`: without these two). Line ends become spaces, blank lines part paragraphs.
        """
        while match := _INNERMOST.search(text):
            text = text[: match.start()] + self._choose(match[1]) + text[match.end() :]
        parts = (" ".join(part.split()) for part in re.split(r"\n[ \t]*\n", text))
        return "\n\n".join(part for part in parts if part)

    def trace(self, *, prompt: str, reasoning: str, answer: str) -> Trace:
        """A trace whose three texts are told."""
        return Trace(self.tell(prompt), self.tell(reasoning), self.tell(answer))

    def _choose(self, body: str) -> str:
        if body[:1] not in ("?", "!"):
            return self._random.choice(body.split("|")).strip()
        if self._random.random() >= self._care:
            return ""
        if body[0] == "!":
            return body[1:]
        return f"{self.one(*_CHECKS)} {body[1:]} {self.one(*_CONFIRMATIONS)}"
