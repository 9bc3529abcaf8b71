"""Chance: draws, dice, at least one; and shares compared."""

from fractions import Fraction
from itertools import product
from math import gcd, lcm

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import capital, decimal, plural

_COLOURS = "red", "blue", "green", "yellow", "white", "black"
_THINGS = "marbles", "buttons", "tickets", "beads", "tulip bulbs", "crayons", "socks"


def two_draws(draw: Draw) -> Trace:
    """Two things out of a bag, without putting back."""
    [person] = draw.people(1)
    things = draw.one(*_THINGS)
    first, second = draw.some(_COLOURS, 2)
    a, b = draw.number(3, 9), draw.number(2, 8)
    total = a + b
    same = draw.number(0, 1) == 1
    both = Fraction(a, total) * Fraction(a - 1, total - 1)
    mixed = 2 * Fraction(a, total) * Fraction(b, total - 1)
    result = both if same else mixed
    goal = f"both are {first}" if same else "there is one of each colour"
    if same:
        work = f"""[The first one is {first} with probability {a}/{total}. Then {a - 1} of the remaining {total - 1} are
        {first}, so the second follows with {a - 1}/{total - 1}. Together {a}/{total} × {a - 1}/{total - 1} =
        {a * (a - 1)}/{total * (total - 1)}.
        |There are {total} × {total - 1} = {total * (total - 1)} ordered ways to take two, and {a} × {a - 1} =
        {a * (a - 1)} of them are {first} twice. So the probability is
        {a * (a - 1)}/{total * (total - 1)}.]"""
        check = f"""The other cases are {second} twice, {b * (b - 1)}/{total * (total - 1)}, and one of each,
        {2 * a * b}/{total * (total - 1)}. All three together make {total * (total - 1)}/{total * (total - 1)}
        = 1."""
    else:
        work = f"""[It can happen in two orders. {capital(first)} then {second}: {a}/{total} × {b}/{total - 1}. {capital(second)}
        then {first}: {b}/{total} × {a}/{total - 1}. These are equal, so the sum is 2 ×
        {a * b}/{total * (total - 1)} = {2 * a * b}/{total * (total - 1)}.
        |There are {total} × {total - 1} / 2 = {total * (total - 1) // 2} pairs, and {a} × {b} = {a * b} of
        them have one of each colour. So the probability is {a * b}/{total * (total - 1) // 2}.]"""
        check = f"""Two of the same colour come up with ({a * (a - 1)} + {b * (b - 1)})/{total * (total - 1)}, and that plus
        {2 * a * b}/{total * (total - 1)} is 1."""
    return draw.trace(
        prompt=f"""
        [A bag holds {a} {first} and {b} {second} {things}. {person.name} takes two without looking and
        without putting any back. What is the probability that {goal}?
        |From {a} {first} and {b} {second} {things} {person.name} draws two at random. How likely is it that
        {goal}?]""",
        reasoning=f"""
        {draw.opening()} [There are {total} {things} at first and {total - 1} after one is taken, and that
        changes the second draw.
        |Nothing is put back, so the second draw depends on the first. In all there are {total} {things}.]

        {work} [In lowest terms that is {result}.|Reduced: {result}, or about {decimal(result * 100, 1)} %.]

        [?{check}]

        [If the first one were put back, the second draw would again be out of {total}, and the result would
        differ a little.|]""",
        answer=f"""
        [The probability is {result}.|It is {result}, about {decimal(result * 100, 1)} %.]""",
    )


_DICE = ((6, 6), (6, 8), (4, 6), (8, 8), (6, 10), (4, 8))


def sum_of_dice(draw: Draw) -> Trace:
    """A sum with two dice, counted in pairs."""
    sides = draw.one(*_DICE)
    goal = draw.one(*[goal for goal in range(4, sum(sides) - 1) if 2 * goal != sum(sides) + 2])
    mirror = f"{sum(sides) + 2 - goal} or less"
    comparison = draw.one("exactly", "at least")
    pairs = [pair for pair in product(range(1, sides[0] + 1), range(1, sides[1] + 1))
             if (sum(pair) == goal if comparison == "exactly" else sum(pair) >= goal)]  # fmt: skip
    total = sides[0] * sides[1]
    result = Fraction(len(pairs), total)
    dice = (
        f"two dice with {sides[0]} sides"
        if sides[0] == sides[1]
        else f"a die with {sides[0]} and one with {sides[1]} sides"
    )
    if comparison == "exactly":
        mirror = f"exactly {sum(sides) + 2 - goal}"
        work = f"""[The pairs with the sum {goal} are {", ".join(f"{a}+{b}" for a, b in pairs)}. That makes {len(pairs)}.
        |If the first die shows {pairs[0][0]}, the second must show {pairs[0][1]}, and so on up to
        {pairs[-1][0]} and {pairs[-1][1]}. So {len(pairs)} of the pairs work:
        {", ".join(f"{a}+{b}" for a, b in pairs)}.]"""
    else:
        by_first = [(a, sum(1 for first, _ in pairs if first == a)) for a in range(1, sides[0] + 1)]
        work = f"""For each value of the first die I count what the second may show: {
            "; ".join(
                f"with a {a}, {plural(count, 'value')}" if count else f"with a {a}, none"
                for a, count in by_first
            )
        }. The sum is
        {" + ".join(str(count) for _, count in by_first)} = {len(pairs)}."""
    return draw.trace(
        prompt=f"""
        [Somebody rolls {dice}. What is the probability that the sum is {comparison} {goal}?
        |With {dice}, how likely is a sum of {comparison} {goal}?]""",
        reasoning=f"""
        {draw.opening()} [The dice are independent, so there are {sides[0]} × {sides[1]} = {
            total
        } equally likely pairs. I
        only have to count the good ones.
        |All {total} combinations ({sides[0]} × {
            sides[1]
        }) are equally likely, the sums are not. So I count pairs.]

        {work}

        [So the probability is {len(pairs)}/{total}{"" if gcd(len(pairs), total) == 1 else f" = {result}"}.
        |{len(pairs)} out of {total} is {result}, roughly {decimal(result * 100, 1)} %.]

        [?By symmetry a sum of {
            mirror
        } must be just as likely, since replacing each face by its opposite turns {goal} into {
            sum(sides) + 2 - goal
        }.
        Counting those gives {len(pairs)} as well.]

        [The pairs a+b and b+a are different outcomes, which is easy to overlook.
        |The possible sums run from 2 to {sum(sides)}, so {goal} is in the {
            "lower" if 2 * goal < sum(sides) + 2 else "upper"
        } half.]""",
        answer=f"""
        [The probability is {result}.|It is {result}, since {len(pairs)} of the {total} pairs will do.]""",
    )


_TRIES = (
    ("throws a fair coin {n} times", "heads", "tails", Fraction(1, 2)),
    ("rolls a die {n} times", "a six", "no six", Fraction(5, 6)),
    (
        "draws a card {n} times from a full deck, putting it back each time",
        "a heart",
        "no heart",
        Fraction(3, 4),
    ),
    (
        "spins a wheel with five equal fields, one of them golden, {n} times",
        "gold",
        "no gold",
        Fraction(4, 5),
    ),
    ("guesses {n} questions with three choices each", "a correct answer", "a wrong answer", Fraction(2, 3)),
)


def at_least_one(draw: Draw) -> Trace:
    """At least one success: easier from the other side."""
    [person] = draw.people(1)
    action, success, failure, miss = draw.one(*_TRIES)
    tries = draw.number(2, 6 if miss.denominator == 2 else 4)
    none = miss**tries
    result = 1 - none
    hit = 1 - miss
    naive = tries * hit
    product_text = " × ".join([str(miss)] * tries)
    flaw = (
        "counts some outcomes more than once"
        if naive < 1
        else "can't be the probability of something uncertain"
    )
    return draw.trace(
        prompt=f"""
        [{person.name} {action.format(n=tries)}. What is the probability of {success} at least once?
        |{person.name} {action.format(n=tries)}. How likely is it that {success} comes up one or more
        times?]""",
        reasoning=f"""
        {draw.opening()} ["At least once" covers many cases: once, twice, and so on. The opposite is a single
        case, so I'll go there.
        |Adding the chances would give {tries} × {hit} = {naive}, which {flaw}. So that is not the way.]

        [The opposite is {failure} all {tries} times. One try has {failure} with probability {miss}, so
        {tries} in a row have {product_text} = {none}.
        |Never {success} means {failure} {tries} times over: ({miss})^{tries} = {none}.]

        [What remains is 1 - {none} = {result}.|So the probability I want is 1 - {none}, which is {result}.]

        [?{_first_success(miss, tries)}]

        [That is about {decimal(result * 100, 1)} %, {"more" if result > Fraction(1, 2) else "less"} than one
        half.
        |As a number: {none} is about {decimal(none, 3)}, so the result is about {decimal(1 - none, 3)}.]""",
        answer=f"""
        [The probability is {result}.|It is {result}, about {decimal(result * 100, 1)} %.]""",
    )


def _first_success(miss: Fraction, tries: int) -> str:
    parts = [miss**place * (1 - miss) for place in range(tries)]
    listed = ", ".join(f"{part} for try {place}" for place, part in enumerate(parts, 1))
    return (
        f"""I can also ask when it happens for the first time: {listed}. The sum of these is {sum(parts)}."""
    )


_SHARES = (
    "of a garden",
    "of a cake",
    "of a pizza",
    "of a tank",
    "of a jigsaw",
    "of a day",
    "of a book",
    "of a field",
)


def larger_share(draw: Draw) -> Trace:
    """The larger of two fractions that lie close together."""
    first, second = draw.people(2)
    share = draw.one(*_SHARES)
    while True:
        a, b = (Fraction(draw.number(2, 11), draw.number(5, 15)) for _ in range(2))
        if (
            a != b
            and 0 < abs(a - b) < Fraction(1, 8)
            and max(a, b) < 1
            and 1 not in (a.numerator, b.numerator)
        ):
            break
    common = lcm(a.denominator, b.denominator)
    over_a, over_b = a.numerator * common // a.denominator, b.numerator * common // b.denominator
    winner, larger = (first.name, a) if a > b else (second.name, b)
    cross_a, cross_b = a.numerator * b.denominator, b.numerator * a.denominator
    sign = ">" if a > b else "<"
    return draw.trace(
        prompt=f"""
        [{first.name} has {a} {share} and {second.name} {b}. Who has more, and what is the difference?
        |Which is more, {a} or {b} {share}, and by how much? The first belongs to {first.name}, the second to
        {second.name}.]""",
        reasoning=f"""
        {draw.opening()} [The two are close together, so a look is not enough. I need a common denominator.
        |Neither numerators nor denominators alone decide. Both fractions have to be cut into equal pieces.]

        [The least common multiple of {a.denominator} and {b.denominator} is {common}. Then {a} = {over_a}/{
            common
        } and {b} =
        {over_b}/{common}.
        |{a.denominator} and {b.denominator} both divide {common}, so I write {a} as {over_a}/{common} and {
            b
        } as
        {over_b}/{common}.]

        [{over_a} {sign} {over_b}, so {winner} has more. The difference is {abs(over_a - over_b)}/{common}{
            "" if abs(a - b).denominator == common else f" = {abs(a - b)}"
        }.
        |The larger one is {larger}, which belongs to {winner}, by {abs(over_a - over_b)}/{common}{
            "" if abs(a - b).denominator == common else f", or {abs(a - b)}"
        }.]

        [?[Multiplying crosswise: {a.numerator} × {b.denominator} = {cross_a} against {b.numerator} × {
            a.denominator
        } =
        {cross_b}, and {cross_a} {sign} {cross_b}.
        |As decimals they are about {decimal(a, 4)} and {decimal(b, 4)}, which puts {larger} ahead.]]

        [|What is missing to a whole tells the same story: {1 - a} against {
            1 - b
        }, and the smaller gap belongs to
        {larger}.]""",
        answer=f"""
        [{winner} has more, by {abs(a - b)}.|{larger} is larger; the difference is {abs(a - b)}.]""",
    )


TEMPLATES = (two_draws, sum_of_dice, at_least_one, larger_share)
