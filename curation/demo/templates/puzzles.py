"""Puzzles with one solution: seats in a row, who owns what, rankings, swapped digits."""

from collections.abc import Callable
from itertools import pairwise, permutations

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import capital, listing, ordinal

Order = tuple[str, ...]
Clue = tuple[str, Callable[[Order], bool]]


def seating(draw: Draw) -> Trace:
    """Four people in a row and the clues that leave one order."""
    names = [person.name for person in draw.people(4)]
    truth: Order = tuple(draw.order(names))
    place = draw.number(0, 3)
    anchor = truth[place]
    others = [name for name in names if name != anchor]
    orders = [order for order in permutations(names) if order[place] == anchor]
    clues: list[Clue] = []
    for clue in draw.order(_seat_clues(others, anchor)):
        left = [order for order in orders if all(test(order) for _, test in clues)]
        if len(left) > 1 and clue[1](truth) and not all(clue[1](order) for order in left):
            clues.append(clue)
    where = (
        "the left end",
        "the second seat from the left",
        "the third seat from the left",
        "the right end",
    )[place]
    told = " ".join(f"({number}) {text}" for number, (text, _) in enumerate(clues, 2))
    cases = []
    for order in draw.order(orders):
        failed = next((number for number, (_, test) in enumerate(clues, 2) if not test(order)), None)
        verdict = "fits everything" if failed is None else f"breaks clue {failed}"
        cases.append(f"{', '.join(order)}: {verdict}.")
    row = ", ".join(truth)
    return draw.trace(
        prompt=f"""
        {listing(names)} sit in a row of four seats. (1) {anchor} has {where}. {told} [In which order do they
        sit, from left to right?|Who sits where, counted from the left?|Find the order from left to
        right.]""",
        reasoning=f"""
        {draw.opening()} [The first clue is the strongest: it nails {anchor} to {where}. The other three can
        stand in 3 × 2 × 1 = 6 orders around that.
        |{anchor} has {where}, so that is settled. For the remaining three there are six possibilities, few
        enough to test them all.]

        [Here they are, from left to right.|I'll try one after the other, from left to right.]
        {" ".join(cases)}

        [Only one is left: {row}.|So it must be {row}.]

        [?{" ".join(f"({number}) {text}" for number, (text, _) in enumerate(clues, 2))} In the order {row} all
        of this is true, and {anchor} has {where}.]

        [|The other five each break a clue, so there is no second solution.]""",
        answer=f"""
        [From left to right: {row}.|They sit in the order {row}, from left to right.]""",
    )


def _seat_clues(others: list[str], anchor: str) -> list[Clue]:
    """Everything that could be said about three people beside a fixed fourth."""
    clues = [clue for a, b in permutations(others, 2) for clue in _clues_about_two(a, b)]
    return clues + [clue for a in others for clue in _clues_about_one(a, anchor)]


def _clues_about_two(a: str, b: str) -> list[Clue]:
    return [
        (f"{a} sits somewhere to the left of {b}.", lambda order: order.index(a) < order.index(b)),
        (f"{a} has {b} as the next one on the right.", lambda order: order.index(b) - order.index(a) == 1),
        (f"{a} and {b} do not sit side by side.", lambda order: abs(order.index(a) - order.index(b)) > 1),
    ]


def _clues_about_one(a: str, anchor: str) -> list[Clue]:
    return [
        (f"{a} sits beside {anchor}.", lambda order: abs(order.index(a) - order.index(anchor)) == 1),
        (f"{a} does not sit beside {anchor}.", lambda order: abs(order.index(a) - order.index(anchor)) > 1),
        (f"{a} does not sit at an end.", lambda order: order.index(a) in (1, 2)),
    ]


_BELONGINGS = (
    ("pet", "has", ("the cat", "the parrot", "the tortoise", "the rabbit")),
    ("instrument", "plays", ("the cello", "the trumpet", "the harp", "the drums")),
    ("drink", "ordered", ("the tea", "the cocoa", "the lemonade", "the coffee")),
    ("garden", "looks after", ("the roses", "the herbs", "the beans", "the orchard")),
    ("dish", "cooked", ("the soup", "the curry", "the pasta", "the pie")),
    ("subject", "teaches", ("the maths class", "the art class", "the history class", "the music class")),
)


def who_owns_what(draw: Draw) -> Trace:
    """Four people, four things, and only denials of who has what."""
    names = [person.name for person in draw.people(4)]
    kind, verb, things = draw.one(*_BELONGINGS)
    truth = dict(zip(names, draw.order(things), strict=True))
    denied: set[tuple[str, str]] = set()
    for name, thing in draw.order(
        [(name, thing) for name in names for thing in things if truth[name] != thing]
    ):
        if len(_eliminate(names, things, denied)) < 4:
            denied.add((name, thing))
    said = []
    for thing in draw.order(things):
        without = [name for name in names if (name, thing) in denied]
        if len(without) == 1:
            said.append(f"{without[0]} is not the one who {verb} {thing}.")
        elif len(without) == 2:
            said.append(f"Neither {without[0]} nor {without[1]} {verb} {thing}.")
        elif without:
            said.append(f"None of {listing(without)} {verb} {thing}.")
    steps = " ".join(reason.replace("VERB", verb) for _, _, reason in _eliminate(names, things, denied))
    pairs = [f"{name} {verb} {truth[name]}" for name in names]
    asked = draw.one(*names)
    return draw.trace(
        prompt=f"""
        {listing(names)} each have a different {kind}: {listing(things)}. {" ".join(said)} [Who {verb} what?
        |Which one belongs to whom?|Work out which {kind} goes with {asked}, and then the rest.]""",
        reasoning=f"""
        {draw.opening()} [All clues say what is not the case, so I'll work by elimination: four people, four
        things, each used once.
        |I imagine a table with a row for each of the four and cross out what the clues forbid. As soon as a
        row or a column has one free field left, that is a hit.]

        {steps}

        [So: {"; ".join(pairs)}.|The table is full now: {"; ".join(pairs)}.]

        [?Going through the clues again, nobody has something that was denied, and each of {listing(things)}
        is used exactly once.]

        [Every step was forced, so there is no other solution.|I never had to guess, which means the solution
        is the only one.]""",
        answer=f"""
        [This is the solution: {"; ".join(pairs)}.|{listing(pairs)}.]""",
    )


def _eliminate(names: list[str], things: Order, denied: set[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Who must have what, with the reason, in the order in which elimination finds it; all that it can find."""
    found: list[tuple[str, str, str]] = []
    while True:
        names_left = [name for name in names if name not in {name for name, _, _ in found}]
        things_left = [thing for thing in things if thing not in {thing for _, thing, _ in found}]
        last = " That is all that is left." if len(names_left) == 1 else ""
        options = {
            name: [thing for thing in things_left if (name, thing) not in denied] for name in names_left
        }
        single = next((name for name in names_left if len(options[name]) == 1), None)
        if single is not None:
            [thing] = options[single]
            reason = f"[For {single} only {thing} remains, so {single} VERB {thing}.|{single} has no choice left but {thing}.]"
            found.append((single, thing, f"{single} VERB {thing}.{last}" if last else reason))
            continue
        for thing in things_left:
            takers = [name for name in names_left if thing in options[name]]
            if len(takers) == 1:
                reason = f"[Nobody but {takers[0]} can be the one who VERB {thing}.|{capital(thing)} can only go to {takers[0]}.]"
                found.append((takers[0], thing, reason))
                break
        else:
            return found


_SCALES = (
    ("finished the race before", "first to last"),
    ("is taller than", "tallest to shortest"),
    ("is older than", "oldest to youngest"),
    ("lives on a higher floor than", "top to bottom"),
    ("has read more books than", "most books to fewest"),
    ("jumped further than", "longest to shortest jump"),
    ("got up earlier than", "earliest to latest"),
    ("scored more goals than", "most goals to fewest"),
)


def ranking(draw: Draw) -> Trace:
    """Five people and comparisons in a jumble: the order."""
    order = [person.name for person in draw.people(5)]
    more, direction = draw.one(*_SCALES)
    wanted = draw.number(2, 4)
    spare = draw.one((0, 2), (1, 3), (2, 4), (0, 3), (1, 4))
    links = draw.order([*pairwise(order), (order[spare[0]], order[spare[1]])])
    told = " ".join(f"{a} {more} {b}." for a, b in links)
    behind = listing(sorted(order[1:]))
    walk = " ".join(
        f"[Right behind {a} comes {b}: everybody else who is named behind {a} is also behind {b}."
        f"|After {a} the next one must be {b}, since none of those left is ahead of {b}.]"
        for a, b in pairwise(order[:-1])
    )
    return draw.trace(
        prompt=f"""
        {told} [Put the five in order, from {direction}. Who is {ordinal(wanted)}?
        |Who is {ordinal(wanted)} when all five are ordered from {direction}?]""",
        reasoning=f"""
        {draw.opening()} [There are {len(links)} comparisons, in no particular order. I look for somebody who
        never stands on the losing side.
        |First: who can be at the top? It must be someone whom no sentence places behind another.]

        [{behind} are each behind somebody at least once. {order[0]} is not, so {order[0]} comes first.
        |The ones who are placed behind someone are {behind}. That leaves {order[0]} for the top.]

        {walk} [{order[4]} is the last one left.|That leaves {order[4]} for the end.]

        [The whole order is {" > ".join(order)}, and number {wanted} is {order[wanted - 1]}.
        |So I get {", ".join(order)}. In place {wanted} stands {order[wanted - 1]}.]

        [?The sentence about {order[spare[0]]} and {order[spare[1]]} was not needed to find the order, but it
        agrees with it: {order[spare[0]]} is in place {spare[0] + 1}, {order[spare[1]]} in place
        {spare[1] + 1}.]""",
        answer=f"""
        [The order is {", ".join(order)}; {ordinal(wanted)} is {order[wanted - 1]}.
        |The {ordinal(wanted)} of them is {order[wanted - 1]}. The whole order, from {direction}, is
        {", ".join(order)}.]""",
    )


def digit_puzzle(draw: Draw) -> Trace:
    """A two-digit number from the sum of its digits and what reversing does."""
    tens, units = sorted(draw.some(range(1, 10), 2))
    total, growth = tens + units, units - tens
    number, reverse = 10 * tens + units, 10 * units + tens
    candidates = [(a, total - a) for a in range(1, 10) if 1 <= total - a <= 9]
    tested = " ".join(
        f"{a}{b}: reversed {b}{a}, "
        + (f"that is {10 * b + a - 10 * a - b} more{', which is it' if (a, b) == (tens, units) else ''}."
           if b > a else "the same." if a == b else "smaller.")
        for a, b in candidates
    )  # fmt: skip
    return draw.trace(
        prompt=f"""
        [The digits of a two-digit number add up to {total}. If they change places, the number grows by
        {9 * growth}. Which number is it?
        |Find the two-digit number whose digits sum to {total} and which becomes {9 * growth} larger when it
        is read backwards.]""",
        reasoning=f"""
        {draw.opening()} [Let the digits be a and b, so that the number is 10a + b. Then a + b = {total}.
        |Call the number 10a + b, with a + b = {total}.]

        [Reversing gives 10b + a. The difference is 9b - 9a = {9 * growth}, so b - a = {growth}. With a + b =
        {total} that means 2b = {total + growth}, so b = {units} and a = {tens}.
        |There are not many numbers with this sum of digits, so I can simply try them. {tested}]

        [So the number is {number}.|That gives {number}.]

        [?{tens} + {units} = {total}, and {reverse} - {number} = {9 * growth}.]

        [Swapping digits always changes a number by a multiple of 9, and {9 * growth} = 9 × {growth} is one.
        So the puzzle was sound from the start.|]""",
        answer=f"""
        [The number is {number}.|It is {number}: reversed it becomes {reverse}, and {reverse} - {number} =
        {9 * growth}.]""",
    )


TEMPLATES = (seating, who_owns_what, ranking, digit_puzzle)
