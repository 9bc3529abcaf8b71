"""Short questions about dates, letters, chance and logic, with brief reasoning and answers of a few words."""

import calendar
from fractions import Fraction
from math import gcd

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import MONTHS, WEEKDAYS, capital, clock, listing, ordinal, plural


def days_later(draw: Draw) -> Trace:
    """A weekday some days from now."""
    today, days = draw.number(0, 6), draw.number(9, 120)
    weeks, rest = divmod(days, 7)
    then = WEEKDAYS[(today + rest) % 7]
    return draw.trace(
        prompt=f"""[If today is {WEEKDAYS[today]}, what day is it {days} days from now?|It is {WEEKDAYS[today]}. Which
        weekday will it be in {days} days?]""",
        reasoning=f"""[A week has 7 days, and {days} = {weeks} × 7 + {rest}.|{days} days are {plural(weeks, "week")} and
        {plural(rest, "day")}.] [The whole weeks change nothing, so I count {plural(rest, "day")} on from
        {WEEKDAYS[today]} and arrive at {then}.|Only the {rest} left over
        {"counts" if rest == 1 else "count"}: from {WEEKDAYS[today]} that leads to {then}.]""",
        answer=then,
    )


def time_later(draw: Draw) -> Trace:
    """A clock time plus some minutes."""
    start, minutes = draw.number(0, 287) * 5, draw.number(47, 290)
    hours, rest = divmod(minutes, 60)
    what = draw.one("film", "concert", "lesson", "flight", "match", "meeting", "bus ride", "play", "workshop")
    middle = start + 60 * hours
    return draw.trace(
        prompt=f"A {what} begins at {clock(start)} and lasts {minutes} minutes. [When is it over?|At what time does it end?]",
        reasoning=f"""[{minutes} minutes are {plural(hours, "hour")} and {plural(rest, "minute")}.|I split {
            minutes
        } into
        {hours} × 60 + {rest}.] [{
            f"{plural(hours, 'hour')} after {clock(start)} it is {clock(middle)}"
            if hours
            else f"The start is {clock(start)}"
        }, and {rest} minutes later {clock(start + minutes)}.|Moving on from {clock(start)}
        leads first to {clock(middle)} and then to {clock(start + minutes)}.]""",
        answer=clock(start + minutes),
    )


def days_in_months(draw: Draw) -> Trace:
    """The days of some months of a year."""
    year, first = draw.number(2017, 2035), draw.number(1, 10)
    months = range(first, first + 3)
    names = [MONTHS[month - 1] for month in months]
    days = [calendar.monthrange(year, month)[1] for month in months]
    leap = f", since {year} is {'' if calendar.isleap(year) else 'not '}a leap year" if 2 in months else ""
    return draw.trace(
        prompt=f"How many days do {listing(names)} {year} have [together?|in all?]",
        reasoning=f"""[They have {days[0]}, {days[1]} and {days[2]} days{leap}.|{names[0]} has {days[0]} days, {names[1]}
        {days[1]} and {names[2]} {days[2]}{leap}.] [The sum is {" + ".join(map(str, days))} =
        {sum(days)}.|That adds up to {sum(days)} days for the three months.]""",
        answer=str(sum(days)),
    )


_WORDS = (
    "elephant", "library", "umbrella", "mountain", "telephone", "butterfly", "chocolate", "adventure",
    "carpenter", "waterfall", "raspberry", "notebook", "hospital", "sandwich", "calendar", "dinosaur",
    "kangaroo", "parliament", "lavender", "orchestra", "cucumber", "pineapple", "crocodile", "passenger",
    "dragonfly", "blackboard", "keyboard", "bookkeeper", "cinnamon", "harmonica", "balcony", "gymnasium",
)  # fmt: skip


def letters(draw: Draw) -> Trace:
    """Vowels, length or ends of a word."""
    word, kind = draw.one(*_WORDS), draw.number(0, 2)
    vowels = [letter for letter in word if letter in "aeiou"]
    place = draw.number(3, len(word) - 2)
    spelled = "-".join(word)
    if kind == 0:
        question, result = f'How many of the letters a, e, i, o, u are in "{word}"', str(len(vowels))
        work = f"Among them {', '.join(vowels)} are vowels, and that makes {len(vowels)}."
    elif kind == 1:
        question, result = f'How many letters does "{word}" have', str(len(word))
        half = len(word) // 2
        work = f"The first half, {word[:half]}, has {half} and the rest, {word[half:]}, {len(word) - half}; the sum is {result}."
    else:
        question, result = f'What is the {ordinal(place)} letter from the end of "{word}"', word[-place]
        work = f"Backwards that is {'-'.join(word[::-1])}, where number {place} is {result}."
    return draw.trace(
        prompt=f"[{question}?|{question}? Spell the word out first.]",
        reasoning=f"[Spelled out, the word is {spelled}.|I write it letter by letter: {spelled}.] {work}",
        answer=result,
    )


def single_draw(draw: Draw) -> Trace:
    """The probability of one colour, or of not getting it."""
    a, b, c = draw.number(2, 9), draw.number(2, 9), draw.number(1, 9)
    first, second, third = draw.some(("red", "blue", "green", "white", "black", "yellow"), 3)
    things, negated, total = (
        draw.one("balls", "beads", "tickets", "buttons"),
        draw.number(0, 1) == 1,
        a + b + c,
    )
    good = b + c if negated else a
    result = Fraction(good, total)
    reduced = f"{good}/{total}" if gcd(good, total) == 1 else f"{good}/{total} = {result}"
    return draw.trace(
        prompt=f"""A box holds {a} {first}, {b} {second} and {c} {third} {things}. One is taken blindly. [What is the
        probability that it is {"not " if negated else ""}{first}?|How likely is it to be
        {"not " if negated else ""}{first}?]""",
        reasoning=f"""[There are {a} + {b} + {c} = {total} {things} in all|The box holds {total} {things} altogether],
        {f"and {b} + {c} = {good} of them are not {first}" if negated else f"and {good} of them are {first}"}.
        [Each is equally likely, so the probability is {reduced}.|That makes {reduced}, as no one is
        preferred.]""",
        answer=str(result),
    )


_KINDS = (
    ("squares", "rectangles", "have four right angles", "a square"), ("spiders", "arachnids", "have eight legs", "a spider"),
    ("robins", "birds", "have feathers", "a robin"), ("trout", "fish", "have gills", "a trout"),
    ("violins", "string instruments", "have strings", "a violin"), ("whales", "mammals", "have lungs", "a whale"),
    ("roses", "plants", "are living things", "a rose"), ("bees", "insects", "have six legs", "a bee"),
    ("multiples of 10", "even numbers", "are divisible by 2", "a multiple of 10"),
)  # fmt: skip


def all_of_a_kind(draw: Draw) -> Trace:
    """A property that is inherited, or a conclusion the wrong way round."""
    kind, group, fact, single = draw.one(*_KINDS)
    turned = draw.number(0, 2) == 0
    [person] = draw.people(1)
    if turned:
        question = f"All {kind} are {group}. {person.name} says that therefore all {group} are {kind}. Is that right?"
        work = f"""[The statement only places the {kind} among the {group}.|That turns the sentence around.] [There can be
        {group} of other sorts, so the reverse does not follow.|A larger group may have members that are not
        {kind}.] So it is wrong to conclude that."""
    else:
        question = f"All {kind} are {group}, and all {group} {fact}. Can {person.name} be sure that all {kind} {fact}?"
        work = f"""[By the first sentence {single} belongs to the {group}, whichever it is.|{capital(kind)} are a part of the {group}.] [What
        is true of all {group} is true of {single} as well|Nothing in that group is an exception], so all
        {kind} {fact}."""
    return draw.trace(prompt=question, reasoning=work, answer="no" if turned else "yes")


def who_is_most(draw: Draw) -> Trace:
    """Three people, two comparisons."""
    a, b, c = (person.name for person in draw.people(3))
    more, most, least = draw.one(("taller", "tallest", "shortest"), ("older", "oldest", "youngest"),
                                 ("faster", "fastest", "slowest"), ("stronger", "strongest", "weakest"))  # fmt: skip
    told = " ".join(draw.order([f"{a} is {more} than {b}.", f"{b} is {more} than {c}."]))
    word, name = draw.one((most, a), (least, c), ("in the middle", b))
    who = f"Who is {word}?" if name == b else f"Who is the {word}?"
    return draw.trace(
        prompt=f"{told} {who}",
        reasoning=f"""[{b} appears in both sentences, below {a} and above {c}.|Both sentences mention {b}, who comes after {a}
        and before {c}.] [So the order is {a}, {b}, {c}|That gives the row {a}, {b}, {c}], from {most} to
        {least}, and the one asked for is {name}.""",
        answer=name,
    )


TEMPLATES = (
    ("dates", days_later), ("dates", time_later), ("dates", days_in_months), ("letters", letters),
    ("chance", single_draw), ("logic", all_of_a_kind), ("logic", who_is_most),
)  # fmt: skip
