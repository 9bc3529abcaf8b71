"""Short questions about numbers, with a sentence or two of reasoning and an answer of a few words."""

from fractions import Fraction

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import listing, money

_FRUIT = "apples", "pears", "plums", "lemons", "figs", "peaches", "kiwis", "limes", "bananas", "apricots"


def total_price(draw: Draw) -> Trace:
    """Some of this and some of that, added up."""
    [buyer] = draw.people(1)
    first, second = draw.some(_FRUIT, 2)
    a, b, each_a, each_b = (
        draw.number(2, 9),
        draw.number(2, 9),
        5 * draw.number(4, 18),
        5 * draw.number(4, 18),
    )
    total = a * each_a + b * each_b
    return draw.trace(
        prompt=f"""{buyer.name} buys {a} {first} at {each_a} cents each and {b} {second} at {each_b} cents each. [What does
        {buyer.she} pay?|How much is that together?|Find the total.]""",
        reasoning=f"""[The {first} cost {a} × {each_a} = {a * each_a} cents|For the {first} {buyer.name} pays {a} times
        {each_a}, which is {a * each_a} cents]. [The {second} add {b} × {each_b} = {b * each_b} cents.|Then
        {b} {second} make {b * each_b} cents more.] [Together that is {total} cents, or {money(total)}.|Adding
        them gives {a * each_a} + {b * each_b} = {total} cents, which is {money(total)}.]""",
        answer=money(total),
    )


def sharing(draw: Draw) -> Trace:
    """A division with a remainder, asked either way."""
    [person] = draw.people(1)
    things = draw.one("sweets", "stickers", "marbles", "cards", "nuts", "shells", "walnuts", "crayons")
    children, each = draw.number(3, 12), draw.number(4, 19)
    rest = draw.number(1, children - 1)
    total = children * each + rest
    ask_rest = draw.number(0, 1) == 1
    return draw.trace(
        prompt=f"""{person.name} shares {total} {things} equally among {children} children. {
            "How many are left over?" if ask_rest else "How many does each child get?"
        }""",
        reasoning=f"""[{total} divided by {children} is {each} with a remainder, since {children} × {each} =
        {children * each}.|{children} times {each} is {children * each}, and one more round would take {
            children * (each + 1)
        }, which is too many.] [The remainder is {total} - {children * each} = {rest}.|So everybody gets {
            each
        },
        and {rest} {"stays" if rest == 1 else "stay"} with {person.name}.] {
            "Only the remainder is asked for." if ask_rest else "The question is about one child's share."
        }""",
        answer=str(rest if ask_rest else each),
    )


_UNITS = (
    ("kilometre", "kilometres", "metre", "metres", 1000), ("hour", "hours", "minute", "minutes", 60),
    ("kilogram", "kilograms", "gram", "grams", 1000), ("day", "days", "hour", "hours", 24),
    ("metre", "metres", "centimetre", "centimetres", 100), ("minute", "minutes", "second", "seconds", 60),
    ("litre", "litres", "millilitre", "millilitres", 1000), ("week", "weeks", "day", "days", 7),
    ("foot", "feet", "inch", "inches", 12), ("yard", "yards", "foot", "feet", 3),
    ("century", "centuries", "year", "years", 100), ("dozen", "dozen", "piece", "pieces", 12),
)  # fmt: skip


def converting(draw: Draw) -> Trace:
    """A larger unit and some of the smaller one."""
    unit, large, one_small, small, factor = draw.one(*_UNITS)
    count, extra = draw.number(2, 19), draw.number(1, factor - 1)
    total = count * factor + extra
    noun = one_small if extra == 1 else small
    return draw.trace(
        prompt=f"""[How many {small} are {count} {large} and {extra} {noun}?|Convert {count} {large} and {extra} {noun} to
        {small}.|Express {count} {large} plus {extra} {noun} in {small} only.]""",
        reasoning=f"""[The factor between {large} and {small} is {factor}.|It takes {factor} {small} to make one {unit}.] [So {count} × {factor} = {count * factor}, and with the {extra} on top it is {count * factor} + {extra} =
        {total}.|The {count} {large} make {count * factor} {small}. Adding {extra} gives {total}.]""",
        answer=f"{total} {small}",
    )


def larger_fraction(draw: Draw) -> Trace:
    """Which of two fractions is larger."""
    while True:
        a, b = (Fraction(draw.number(1, 10), draw.number(3, 13)) for _ in range(2))
        if a != b and max(a, b) < 1 and a.denominator != b.denominator:
            break
    left, right = a.numerator * b.denominator, b.numerator * a.denominator
    common, winner = a.denominator * b.denominator, max(a, b)
    return draw.trace(
        prompt=f"[Which is larger, {a} or {b}?|Which of the fractions {a} and {b} is the greater one?]",
        reasoning=f"""[Over the common denominator {common} they are {left}/{common} and {right}/{common}.|Cross
        multiplication gives {a.numerator} × {b.denominator} = {left} for the first and {b.numerator} ×
        {a.denominator} = {right} for the second.] [Since {max(left, right)} is more than {min(left, right)},
        the larger one is {winner}.|The number {max(left, right)} is the bigger of the two, and it belongs to
        {winner}.]""",
        answer=str(winner),
    )


def next_number(draw: Draw) -> Trace:
    """A plain sequence and its next term."""
    start, step, growing = draw.number(3, 60), draw.number(3, 17), draw.number(0, 2)
    if growing == 0:
        terms = [start * 2**place for place in range(6)]
        rule = "each number is twice the one before"
    elif growing == 1:
        terms = [start + step * place for place in range(6)]
        rule = f"{step} is added each time"
    else:
        terms = [start + 6 * step - step * place for place in range(6)]
        rule = f"{step} is subtracted each time"
    shown = ", ".join(map(str, terms[:5]))
    return draw.trace(
        prompt=f"[What comes next: {shown}?|Give the next number: {shown}, …|Continue {shown} by one number.]",
        reasoning=f"""[From {terms[0]} to {terms[1]} and from {terms[1]} to {terms[2]} the same thing happens|Looking at the
        neighbours {terms[0]}, {terms[1]} and {terms[2]}, I see a simple rule]: {rule}. [After {terms[4]} the
        next one is therefore {terms[5]}.|The last number is {terms[4]}, so {terms[5]} follows.]""",
        answer=str(terms[5]),
    )


def how_old(draw: Draw) -> Trace:
    """Ages that differ by a fixed number of years."""
    a, b = (person.name for person in draw.people(2))
    age, gap, years = draw.number(4, 40), draw.number(2, 25), draw.number(2, 15)
    return draw.trace(
        prompt=f"""{a} is {age} years old and {b} is {gap} years older. [How old will {b} be in {years} years?|What will
        {b}'s age be {years} years from now?]""",
        reasoning=f"""[Today {b} is {age} + {gap} = {age + gap}.|{b} is {gap} years ahead of {a}, so {age + gap} now.] [In
        {years} years that becomes {age + gap} + {years} = {age + gap + years}.|Adding the {years} years gives
        {age + gap + years}.]""",
        answer=str(age + gap + years),
    )


def perimeter(draw: Draw) -> Trace:
    """A fence around something, or the area of it."""
    place = draw.one("garden", "playground", "field", "yard", "paddock", "pond", "car park", "vegetable bed")
    wide = draw.number(4, 30)
    long, area = wide + draw.number(3, 35), draw.number(0, 1) == 1
    result = long * wide if area else 2 * (long + wide)
    return draw.trace(
        prompt=f"""A rectangular {place} is {long} m long and {wide} m wide. {
            "What is its area?" if area else "How long is a fence all the way around it?"
        }""",
        reasoning=f"""[{
            "The area of a rectangle is length times width"
            if area
            else "A fence runs along two long and two short sides"
        }|{
            "To get the area I multiply the two sides"
            if area
            else "Going all the way around means each side twice"
        }]: {
            f"{long} × {wide} = {result}, in square metres"
            if area
            else f"2 × {long} + 2 × {wide} = {2 * long} + {2 * wide} = {result}, in metres"
        }. [|The result is larger than {long}, as it
        has to be.]""",
        answer=f"{result} square metres" if area else f"{result} m",
    )


_ANIMALS = {
    "dog": 4,
    "spider": 8,
    "hen": 2,
    "ant": 6,
    "cat": 4,
    "duck": 2,
    "beetle": 6,
    "horse": 4,
    "crab": 10,
    "bee": 6,
}


def legs(draw: Draw) -> Trace:
    """Legs of two kinds of animals."""
    (first, second), a, b = draw.some(sorted(_ANIMALS), 2), draw.number(2, 12), draw.number(2, 12)
    each_a, each_b = _ANIMALS[first], _ANIMALS[second]
    total = a * each_a + b * each_b
    return draw.trace(
        prompt=f"[How many legs do {a} {first}s and {b} {second}s have together?|{a} {first}s and {b} {second}s: how many legs?]",
        reasoning=f"""[{"An" if first == "ant" else "A"} {first} has {each_a} legs and {"an" if second == "ant" else "a"} {second} has {each_b}.|Every {first} comes with {each_a} legs, every
        {second} with {each_b}.] [That is {a} × {each_a} = {a * each_a} and {b} × {each_b} = {b * each_b},
        together {total}.|So I add {a * each_a} and {b * each_b} and get {total}.]""",
        answer=str(total),
    )


def odd_or_even(draw: Draw) -> Trace:
    """Odd or even without calculating."""
    a, b, times = draw.number(113, 987), draw.number(113, 987), draw.number(0, 1) == 1
    kinds = ["odd" if value % 2 else "even" for value in (a, b)]
    result = "odd" if (a * b if times else a + b) % 2 else "even"
    law = (
        "A product is odd only if both factors are" if times else
        "A sum of two numbers is odd only if exactly one of them is"
    )  # fmt: skip
    return draw.trace(
        prompt=f"Is {a} {'×' if times else '+'} {b} odd or even? [Try not to calculate it.|Decide from the last digits.|]",
        reasoning=f"""[The last digits are {a % 10} and {b % 10}, so {a} is {kinds[0]} and {b} is {kinds[1]}.|{a} ends in
        {a % 10}, which makes it {kinds[0]}, and {b} ends in {b % 10}, which makes it {kinds[1]}.] {law}, so
        here the result is {result}.""",
        answer=result,
    )


def average(draw: Draw) -> Trace:
    """The mean of three or four numbers."""
    count = draw.number(3, 4)
    values = draw.some(range(10, 70), count - 1)
    values.append(draw.one(*[value for value in range(10, 70) if (sum(values) + value) % count == 0]))
    result, what = (
        sum(values) // count,
        draw.one("scores", "temperatures", "prices in dollars", "ages", "distances in km"),
    )
    return draw.trace(
        prompt=f"[What is the average of the {what} {listing([str(v) for v in values])}?|Find the mean of these {what}: "
        f"{', '.join(map(str, values))}.]",
        reasoning=f"""[The sum is {" + ".join(map(str, values))} = {sum(values)}.|Added up, the {count} numbers make
        {sum(values)}.] [There are {count} of them, so the average is {sum(values)} / {count} =
        {result}.|Divided by {count} that gives {result}, which lies between the smallest and the
        largest.]""",
        answer=str(result),
    )


def multiple_choice(draw: Draw) -> Trace:
    """Distance, speed and time, with four options."""
    speed, hours = 5 * draw.number(3, 24), draw.number(2, 8)
    distance = speed * hours
    wrong = [speed + hours, distance + speed, distance - 10, distance + 15, distance // 2]
    options = draw.order([distance, *draw.some(sorted({value for value in wrong if value != distance}), 3)])
    letter = "ABCD"[options.index(distance)]
    shown = " ".join(f"({'ABCD'[place]}) {value} km" for place, value in enumerate(options))
    thing = (
        draw.one("cyclist", "ship", "tram") if speed < 35 else draw.one("train", "bus", "car", "motorbike")
    )
    return draw.trace(
        prompt=f"A {thing} goes {speed} km/h for {hours} hours. [How far does it get?|What distance is that?] Options: {shown}",
        reasoning=f"""[Distance is speed times time: {speed} × {hours} = {distance} km.|In each hour {speed} km are covered, so
        {hours} hours make {distance} km.] [That is option {letter}.|Among the options this is
        ({letter}).]""",
        answer=f"({letter})",
    )


TEMPLATES = (
    ("arithmetic", total_price), ("arithmetic", sharing), ("arithmetic", how_old), ("arithmetic", legs),
    ("arithmetic", average), ("units", converting), ("units", perimeter), ("units", multiple_choice),
    ("numbers", larger_fraction), ("numbers", next_number), ("numbers", odd_or_even),
)  # fmt: skip
