"""Counting without listing: choices that multiply, pairs in a group."""

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import capital, listing

_WARDROBES = (
    ("an outfit", ("shirts", "pairs of trousers", "hats"), "No hat at all is also allowed", 2),
    ("a menu", ("starters", "main courses", "desserts"), "Dessert may be left out", 2),
    ("a sandwich", ("kinds of bread", "fillings", "sauces"), "It can also go without sauce", 2),
    ("a sundae", ("flavours", "toppings", "sizes"), "The topping may be left out", 1),
    ("a bouquet", ("kinds of flowers", "ribbons", "cards"), "The card may be left out", 2),
)


def menus(draw: Draw) -> Trace:
    """Choices that multiply, one of which may be skipped."""
    what, parts, skipping, optional = draw.one(*_WARDROBES)
    counts = [draw.number(3, 9) for _ in parts]
    real = [count + (place == optional) for place, count in enumerate(counts)]
    total = real[0] * real[1] * real[2]
    without = total // real[optional]
    offered = listing([f"{count} {part}" for count, part in zip(counts, parts, strict=True)])
    return draw.trace(
        prompt=f"""
        [There are {offered}. {capital(what)} takes one of each. {skipping}. How many different ways are
        there?
        |{capital(what)} is made of one of each: {offered}. {skipping}. Count the possibilities.]""",
        reasoning=f"""
        {draw.opening()} [Independent choices multiply. The only thing to watch is that leaving something out
        is a choice of its own.
        |Each choice can go with each of the others, so the numbers are multiplied and not added.]

        [Leaving it out turns the {counts[optional]} {parts[optional]} into {counts[optional]} + 1 =
        {real[optional]} options.
        |For the {parts[optional]} there are {counts[optional]} + 1 = {real[optional]} options, because "none"
        is one, too.]
        [So {real[0]} × {real[1]} × {real[2]} = {real[0] * real[1]} × {real[2]} = {total}.
        |The product is {real[0]} × {real[1]} × {real[2]} = {total}.]

        [?Split by cases: without it there are {without} ways, and with one of the {counts[optional]} there
        are {without} × {counts[optional]} = {without * counts[optional]}. The sum is {without} +
        {without * counts[optional]} = {total}.]

        [Forgetting about the empty choice would have given {counts[0] * counts[1] * counts[2]}, which is too
        few.
        |Adding {counts[0]}, {counts[1]} and {counts[2]} would count things on the shelf, not
        combinations.]""",
        answer=f"""
        [There are {total} ways.|The number is {total}, from {real[0]} × {real[1]} × {real[2]}, with "none"
        counted as an option.]""",
    )


_GROUPS = (
    ("guests at a party", "shake hands", "handshakes"),
    ("teams in a league", "play against each other", "matches"),
    ("friends", "call each other", "calls"),
    ("chess players in a club", "play against each other", "games"),
    ("children in a class", "arm-wrestle with each other", "bouts"),
    ("tennis players", "meet on the court", "matches"),
)


def pairs(draw: Draw) -> Trace:
    """Everybody with everybody: count pairs, then count some again."""
    people, verb, events = draw.one(*_GROUPS)
    count, more = draw.number(6, 24), draw.number(2, 5)
    now, later = count * (count - 1) // 2, (count + more) * (count + more - 1) // 2
    return draw.trace(
        prompt=f"""
        [{count} {people} all {verb}, each pair once. How many {events} is that, and how many more would it be
        with {more} more of them?
        |If each two of {count} {people} {verb} once, how many {events} are there? And by how much does the
        number grow if {more} join?]""",
        reasoning=f"""
        {draw.opening()} [Each of the {count} has {count - 1} partners, which makes {count} × {count - 1} =
        {count * (count - 1)}. But then every pair is counted from both sides, so I halve it: {now}.
        |The first one has {count - 1} partners, the next {count - 2} new ones, and so on down to 1. The sum 1
        + 2 + … + {count - 1} is {count - 1} × {count} / 2 = {now}.]

        [Now {more} more come. Each of them pairs with the {count} who are there, {more} × {count} =
        {more * count}, and they pair among themselves in {more * (more - 1) // 2}
        {"way" if more == 2 else "ways"}. That is {more * count + more * (more - 1) // 2} more.
        |With {count + more} it would be {count + more} × {count + more - 1} / 2 = {later}. The difference is
        {later} - {now} = {later - now}.]

        [?For three {people.split()[0]} there are 3 pairs, and the formula gives 3 × 2 / 2 = 3. For four it
        gives 6, which I can also count by hand. And {now} + {later - now} = {later} for {count + more}.]

        [The halving is the point that one forgets: the pair A and B is the pair B and A.
        |The number grows faster than the group: twice as many {people.split()[0]} would need more than twice
        as many {events}.]""",
        answer=f"""
        [There are {now} {events}, and {later - now} more with {more} more.|There are {now} {events}; the
        number grows by {later - now} to {later}.]""",
    )


TEMPLATES = (menus, pairs)
