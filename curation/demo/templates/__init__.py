"""Templates that make the traces of the demo: texts of our own, each solved before it is told.

A template is a pure function from a `Draw` to a `Trace`. What it tells is true by construction: the result is
computed first, and the reasoning walks to it.
"""

from collections.abc import Callable, Mapping

from curation.demo.templates import (
    arithmetic,
    chance,
    chinese,
    counting,
    french,
    german,
    logic,
    measures,
    patterns,
    planning,
    prices,
    puzzles,
    short_numbers,
    short_words,
    spanish,
    times,
)
from curation.demo.templates.draw import Draw, Trace

__all__ = ["FOREIGN", "LONG", "SHORT", "Draw", "Template", "Trace"]

Template = Callable[[Draw], Trace]

LONG: tuple[Template, ...] = (
    *arithmetic.TEMPLATES,
    *chance.TEMPLATES,
    *counting.TEMPLATES,
    *logic.TEMPLATES,
    *measures.TEMPLATES,
    *patterns.TEMPLATES,
    *planning.TEMPLATES,
    *prices.TEMPLATES,
    *puzzles.TEMPLATES,
    *times.TEMPLATES,
)
"""Questions in English with several paragraphs of reasoning."""

FOREIGN: Mapping[str, tuple[Template, ...]] = {
    "de": german.TEMPLATES,
    "es": spanish.TEMPLATES,
    "fr": french.TEMPLATES,
    "zh": chinese.TEMPLATES,
}
"""Questions in other languages, by ISO 639-1 code."""


def _framed(template: Template) -> Template:
    def framed(draw: Draw) -> Trace:
        trace = template(draw)
        reasoning = draw.tell(f"""
        [Let me see.|Step by step:|I work it out in order.|This takes two small steps.|Here is how I get there.|||]
        {trace.reasoning}
        [So the answer is {trace.answer}.|Therefore the answer is {trace.answer}.|The answer is {trace.answer}.|Hence
        {trace.answer}.||]""")
        return Trace(trace.prompt, reasoning, trace.answer)

    return framed


SHORT: tuple[tuple[str, Template], ...] = tuple(
    (task, _framed(template)) for task, template in (*short_numbers.TEMPLATES, *short_words.TEMPLATES)
)
"""Questions in English with a few sentences of reasoning and a short answer, each with the task it belongs to."""
