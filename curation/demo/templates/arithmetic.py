"""Word problems: work, averages, heads and legs, boxes, ages."""

from fractions import Fraction

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import decimal, listing

_JOBS = (
    ("paint a garden fence", "the fence"),
    ("sort the letters of the day", "the letters"),
    ("rake the leaves in the park", "the leaves"),
    ("wash all the windows of a school", "the windows"),
    ("set up the chairs for a concert", "the chairs"),
    ("pick one row of the orchard", "the row"),
)
_PACES = """3:6 4:12 6:12 10:15 20:30 12:24 5:20 8:24 9:18 12:36 6:30 15:30 10:40 14:35 30:45 15:60"""


def working_together(draw: Draw) -> Trace:
    """Two people at one job: rates add, times do not."""
    a, b = (person.name for person in draw.people(2))
    job, thing = draw.one(*_JOBS)
    fast, slow = map(int, draw.one(*_PACES.split()).split(":"))
    unit, one_unit = ("hours", "hour") if slow <= 12 else ("minutes", "minute")
    time = fast * slow // (fast + slow)
    part_a, part_b = Fraction(time, fast), Fraction(time, slow)
    return draw.trace(
        prompt=f"""
        [{a} needs {fast} {unit} to {job}. {b} needs {slow} {unit} for the same job. How long does it take if
        they do it together?
        |Working alone, {b} can {job} in {slow} {unit}, while {a} takes only {fast} {unit}. How long do they
        need side by side, each at the usual pace?
        |It takes {a} {fast} {unit} and {b} {slow} {unit} to {job}. If both start at the same time and share
        the work, when are they done?]""",
        reasoning=f"""
        {draw.opening()} [A tempting answer is the average of {fast} and {slow}, but that is more than {fast},
        and help can't make {a} slower.
        |Adding the times would be silly: two people are faster than one. So the answer must be below {fast}.
        |Whatever comes out has to be less than {fast} {unit}, because {a} alone would already be done by
        then.]

        [Times don't add, but rates do. In one {one_unit} {a} does 1/{fast} of the job and {b} does 1/{slow}.
        |So I think in parts of the job. Each {one_unit}, {a} finishes 1/{fast} of it and {b} 1/{slow} of it.]
        [Together that is 1/{fast} + 1/{slow} = 1/{time} of the job, so the whole job takes {time} {unit}.
        |I need a common denominator: 1/{fast} + 1/{slow} = {slow}/{fast * slow} + {fast}/{fast * slow} =
        {fast + slow}/{fast * slow}, which is 1/{time}. So they are done after {time} {unit}.]

        [It is also between {decimal(Fraction(fast, 2))} and {decimal(Fraction(slow, 2))}, as it should be:
        two people as fast as {a} would need half of {fast}, and two as slow as {b} half of {slow}.
        |And {time} is less than {fast}, as I expected.
        |Another way to see it: {b} takes {decimal(Fraction(slow, fast), 2)} times as long as {a}, so of every
        {fast + slow} pieces {a} does {slow} and {b} does {fast}.]

        [?In {time} {unit}, {a} does {time}/{fast} of {thing} and {b} does
        {time}/{slow}. The two parts, {part_a} and {part_b}, add up to exactly 1.]""",
        answer=f"""
        [Together they need {time} {unit}.
        |They finish {thing} in {time} {unit}, because they do 1/{time} of the job each {one_unit}.
        |Side by side, {a} and {b} are done after {time} {unit}.]""",
    )


_EFFORTS = (
    ("tests", "points"),
    ("quiz rounds", "points"),
    ("training runs", "minutes"),
    ("weekly bike rides", "kilometres"),
)


def missing_score(draw: Draw) -> Trace:
    """Which result the last test needs for a wanted average."""
    [person] = draw.people(1)
    name = person.name
    what, unit = draw.one(*_EFFORTS)
    count = draw.number(3, 5)
    scores = [draw.number(22, 77) for _ in range(count)]
    total = sum(scores)
    around = range(total // count - 9, total // count + 16)
    needed = draw.one(*[value for value in around if (total + value) % (count + 1) == 0])
    target = (total + needed) // (count + 1)
    goal = target * (count + 1)
    gap = sum(score - target for score in scores)
    move = (
        "pulls it up"
        if needed * count > total
        else "brings it down"
        if needed * count < total
        else "keeps it"
    )
    return draw.trace(
        prompt=f"""
        [{name}'s results in the last {count} {what} were {listing([str(score) for score in scores])} {unit}.
        What must the next one be so that the average of all {count + 1} is exactly {target}?
        |After {count} {what} {name} has {listing([str(score) for score in scores])} {unit}. {name} wants an
        average of {target} after one more. What result does {person.she} need?]""",
        reasoning=f"""
        {draw.opening()} [An average of {target} over {count + 1} values means that they add up to {count + 1}
        × {target} = {goal}.
        |If {count + 1} values average {target}, their sum is {target} × {count + 1} = {goal}. So I compare
        sums, not averages.
        |Averages are awkward to add, sums are not. The sum that {name} wants in the end is {count + 1} ×
        {target} = {goal}.]

        [So far there is|Adding what is already there:|The results up to now:] {" + ".join(map(str, scores))}
        = {total}. [The missing part is {goal} - {total} = {needed}.
        |That leaves {goal} - {total}, which is {needed}, for the next one.]

        [?Measured against {target}, the first {count} are off by
        {listing([f"{score - target:+d}" for score in scores])}, which sums to {gap:+d}. The last one has to
        make up for it with {-gap:+d}, and {target} {"-" if gap > 0 else "+"} {abs(gap)} = {needed}.]

        [The average so far was about {decimal(Fraction(total, count), 1)}, so a value of {needed} {move},
        which makes sense for a target of {target}.
        |Compared with the average so far, about {decimal(Fraction(total, count), 1)}, that is a plausible
        number.|]""",
        answer=f"""
        [The next result must be {needed} {unit}.
        |{name} needs {needed} {unit}: then the sum is {goal}, and {goal} / {count + 1} = {target}.]""",
    )


_HERDS = (
    ("On a farm there are goats and hens", "goats", 4, "hens", 2, "animals", "legs"),
    ("In a yard stand cars and motorbikes", "cars", 4, "motorbikes", 2, "vehicles", "wheels"),
    (
        "A kindergarten owns tricycles and scooters with two wheels",
        "tricycles",
        3,
        "scooters",
        2,
        "toys",
        "wheels",
    ),
    (
        "A café has tables for five and tables for two",
        "tables for five",
        5,
        "tables for two",
        2,
        "tables",
        "seats",
    ),
    ("A terrarium houses spiders and beetles", "spiders", 8, "beetles", 6, "creatures", "legs"),
    (
        "A campsite has tents for six and tents for two",
        "tents for six",
        6,
        "tents for two",
        2,
        "tents",
        "places",
    ),
)


def heads_and_legs(draw: Draw) -> Trace:
    """Two kinds, one count of heads and one of legs."""
    scene, many, more, few, less, all_of_them, parts = draw.one(*_HERDS)
    count_many, count_few = draw.number(4, 28), draw.number(4, 28)
    heads, legs = count_many + count_few, count_many * more + count_few * less
    base, extra, step = heads * less, legs - heads * less, more - less
    half = heads // 2
    tried = half * more + (heads - half) * less
    verdict = "too many" if tried > legs else "too few" if tried < legs else "already right"
    return draw.trace(
        prompt=f"""
        [{scene}, {heads} {all_of_them} in all. Together they have {legs} {parts}. How many are there of each?
        |{scene}. Somebody counted {heads} {all_of_them} and {legs} {parts}. How many {many} and how many
        {few} are there?]""",
        reasoning=f"""
        {draw.opening()} [Two unknown numbers, and two facts: {heads} {all_of_them}, {legs} {parts}.
        |I know {heads} {all_of_them} and {legs} {parts} in total.]

        [What if all {heads} were {few}? Then there would be {heads} × {less} = {base} {parts}.
        |Let me pretend for a moment that there are only {few}. {heads} of them have {base} {parts}.
        |Suppose about half were {many}: {half} {many} and {heads - half} {few} have {tried} {parts}, which is
        {verdict}. Guessing works, but there is a cleaner way: if all were {few}, there would be {base}
        {parts}.]

        [In truth there are {legs}, which is {extra} more. Every time one of the {few} is exchanged for one of
        the {many}, the count grows by {more} - {less} = {step}. So {extra} / {step} = {count_many} must be
        {many}.
        |But {legs} were counted, {extra} too many for that. Each of the {many} brings {step} more than one of
        the {few}, so there are {extra} ÷ {step} = {count_many} {many}.]
        [The rest, {heads} - {count_many} = {count_few}, are {few}.|That leaves {count_few} {few}.]

        [?[{count_many} × {more} + {count_few} × {less} = {count_many * more} + {count_few * less} = {legs}
        {parts}, and {count_many} + {count_few} = {heads}.
        |With equations: x + y = {heads} and {more}x + {less}y = {legs}. Taking {less} times the first from
        the second leaves {"" if step == 1 else step}x = {extra}, so x = {count_many} and y =
        {count_few}.]]""",
        answer=f"""
        [There are {count_many} {many} and {count_few} {few}.
        |{count_many} {many} and {count_few} {few}: that makes {heads} {all_of_them} with {legs} {parts}.]""",
    )


_PACKING = (
    ("A farmer collects", "eggs", "box", "boxes", (6, 10, 12)),
    ("A school library receives", "new books", "shelf", "shelves", (18, 24, 28)),
    ("A florist has", "tulips", "bunch", "bunches", (7, 9, 11)),
    ("A bakery makes", "biscuits", "tin", "tins", (15, 16, 20)),
    ("A club orders", "tennis balls", "tube", "tubes", (3, 4)),
    ("A bottling plant fills", "bottles", "crate", "crates", (12, 20, 24)),
)


def boxes_and_leftovers(draw: Draw) -> Trace:
    """Division with a remainder, and what the remainder means."""
    start, things, box, boxes, sizes = draw.one(*_PACKING)
    size = draw.one(*sizes)
    full, left = draw.number(12, 48), draw.number(1, size - 1)
    count, missing, tens = full * size + left, size - left, full // 10 * 10
    after_tens = count - tens * size
    units = f"That fills {full - tens} more ({full - tens} × {size} = {(full - tens) * size}), which makes {full}."
    if full == tens:
        units = f"That is less than {size}, so it stays at {full}."
    return draw.trace(
        prompt=f"""
        [{start} {count} {things} and puts them up {size} to a {box}. How many full {boxes} are there, how
        many {things} remain, and how many more would fill the last {box}?
        |{start} {count} {things}. Each {box} takes {size}. Find the number of full {boxes}, what is left
        over, and how many are missing for one more full {box}.]""",
        reasoning=f"""
        {draw.opening()} [This is {count} divided by {size}, and I care about the remainder as much as about
        the quotient.
        |I need to know how often {size} goes into {count}, and then look at the rest.
        |Three questions, one division: {count} ÷ {size}.]

        [I'll get there in steps.|Rounding helps.|Let me count up.] {tens} {boxes} take {tens} × {size} =
        {tens * size}, and {count} - {tens * size} = {after_tens} [are still there|remain]. {units}

        [What remains is {count} - {full * size} = {left}. A full {box} would need {size}, so {missing} more
        would do.
        |{full} × {size} = {full * size}, so {left} of the {things} {"stays" if left == 1 else "stay"}
        outside. The last {box} lacks {size} - {left} = {missing}.]

        [?[{full} × {size} + {left} = {full * size} + {left} = {count}, and {left} is smaller than {size}.
        |With {missing} more there would be {count + missing}, and {count + missing} / {size} = {full + 1}, a
        whole number.]]

        [|If the question were how many {boxes} are needed to hold everything, I would have to round up to
        {full + 1}. But here it asks for full ones, so {full} it is.]""",
        answer=f"""
        [There are {full} full {boxes}, {left} left over, and {missing} more would fill another {box}.
        |{full} {boxes} are full, {left} of the {things} {"remains" if left == 1 else "remain"}, and the next
        {box} still lacks {missing}.]""",
    )


def ages(draw: Draw) -> Trace:
    """The ages now, from a multiple in some years."""
    older, younger = (person.name for person in draw.people(2))
    times = draw.number(2, 4)
    words = ("twice", "three times", "four times")[times - 2]
    later = draw.number(2, 9)
    young = draw.number(3, 16)
    then = young + later
    gap = then * (times - 1)
    old = young + gap
    by_gap = f"the same as the gap, {gap}" if times == 2 else f"{gap} / {times - 1} = {then}"
    return draw.trace(
        prompt=f"""
        [{older} is {gap} years older than {younger}. In {later} years {older} will be {words} as old as
        {younger}. How old are they now?
        |The ages of {younger} and {older} differ by {gap} years. {later} years from now {older}, who is the
        older one, will be exactly {words} {younger}'s age. What are their ages today?]""",
        reasoning=f"""
        {draw.opening()} [The useful thing about ages is that the difference never changes: it is {gap} years
        today and will be {gap} years then.
        |The gap of {gap} years stays the same for ever, so I can use it at any moment that suits me.]

        [Look at the moment in {later} years. There {older} is {words} as old as {younger}, so the gap of
        {gap} is {"just" if times == 2 else f"{times - 1} times"} {younger}'s age at that time. That makes
        {younger}'s age then {by_gap}.
        |Call {younger}'s age then y. {older} is {times}y at that time, and {times}y - y = {gap}, so
        {f"y = {gap}" if times == 2 else f"{times - 1}y = {gap} and y = {then}"}.]

        [Going back {later} years, {younger} is {then} - {later} = {young} now, and {older} is {young} + {gap}
        = {old}.
        |But the question is about today. {later} years earlier {younger} is {young}, and {older}, {gap} years
        older, is {old}.]

        [?In {later} years they are {old + later} and {then}, and {times} × {then} = {times * then}.]

        [|A common slip is to use the factor today: {times} × {young} = {times * young}, which is not {old},
        and it need not be.
        |Had I used the factor for today's ages, I would have got {times} × {young} = {times * young} for
        {older}, and that is off by {old - times * young}.]""",
        answer=f"""
        [{younger} is {young} and {older} is {old}.
        |Today {older} is {old} years old and {younger} is {young}.]""",
    )


TEMPLATES = (working_together, missing_score, heads_and_legs, boxes_and_leftovers, ages)
