"""Units: speed, temperature, tiles, recipes."""

from fractions import Fraction

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import capital, decimal, plural

_THERE_AND_BACK = "40:60 30:60 60:90 20:30 12:24 10:15 15:30 24:40 36:60 50:75 40:120 80:120 45:90 30:45"
_ROUTES = (
    "to the lake",
    "to the next village",
    "to the coast",
    "to the airport",
    "over the pass",
    "to the old mill",
)


def average_speed(draw: Draw) -> Trace:
    """There and back at two speeds: the average is not in the middle."""
    [person] = draw.people(1)
    name, route = person.name, draw.one(*_ROUTES)
    slow, fast = map(int, draw.one(*_THERE_AND_BACK.split()).split(":"))
    slow, fast = draw.one((slow, fast), (fast, slow))
    step = slow * fast // (slow if fast % slow == 0 else fast if slow % fast == 0 else 1)
    common = next(
        value for value in range(max(slow, fast), step + 1) if not value % slow and not value % fast
    )
    distance = common * draw.number(1, 3 if common < 100 else 1)
    out, back = distance // slow, distance // fast
    average = 2 * distance // (out + back)
    verb = "cycles" if max(slow, fast) <= 30 else "drives"
    return draw.trace(
        prompt=f"""
        [{name} {verb} {distance} km {route} at {slow} km/h and comes back the same way at {fast} km/h. What
        is the average speed of the whole trip?
        |On the way {route}, which is {distance} km, {name} goes {slow} km/h. On the way back it is {fast}
        km/h. Find the average speed for the round trip.
        |{name} {verb} {route} at a steady {slow} km/h and returns at {fast} km/h. One way is {distance} km.
        What does {person.her} average speed come to?]""",
        reasoning=f"""
        {draw.opening()} [My first thought is ({slow} + {fast}) / 2 = {decimal(Fraction(slow + fast, 2))}
        km/h. But that would only be right if equal times were spent at each speed, and here the distances are
        equal.
        |The trap is to take the middle of {slow} and {fast}, which is {decimal(Fraction(slow + fast, 2))}.
        The slower part lasts longer, so it should weigh more.]

        [Average speed is all the distance over all the time, so I need the times.
        |What counts is total distance divided by total time.]
        [Out: {distance} km at {slow} km/h takes {plural(out, "hour")}. Back: {distance} / {fast} =
        {plural(back, "hour")}.
        |The first leg lasts {distance} / {slow} = {plural(out, "hour")} and the second {distance} / {fast} =
        {plural(back, "hour")}.]

        [That makes {2 * distance} km in {out + back} hours, and {2 * distance} / {out + back} = {average}.
        |Distance {2 * distance} km, time {out + back} hours, so {average} km/h.]

        [?[The formula for equal distances is 2ab / (a + b). With {slow} and {fast} it gives {2 * slow * fast}
        / {slow + fast} = {average}.
        |At a steady {average} km/h the {2 * distance} km would take {2 * distance} / {average} = {out + back}
        hours.]]

        [As expected, {average} lies a little nearer to the lower speed, {min(slow, fast)}, than to the higher
        one.
        |It lies below the middle, {decimal(Fraction(slow + fast, 2))}, as it must.|]""",
        answer=f"""
        [The average speed is {average} km/h.
        |It is {average} km/h, because {2 * distance} km take {out + back} hours.]""",
    )


_CITIES = (
    "the harbour",
    "the mountain hut",
    "the old town",
    "the island",
    "the valley",
    "the airport",
    "the desert camp",
)


def temperatures(draw: Draw) -> Trace:
    """One reading in Celsius, one in Fahrenheit: where it is warmer."""
    here, there = draw.some(_CITIES, 2)
    celsius, other = draw.some(range(-3, 9), 2)
    celsius, other = 5 * celsius + draw.number(-2, 2), 5 * other
    fahrenheit = other * 9 // 5 + 32
    gap = abs(celsius - other)
    warmer, colder = (here, there) if celsius > other else (there, here)
    in_fahrenheit = decimal(Fraction(celsius * 9, 5) + 32)
    difference = f"{max(celsius, other)} - {f'({min(celsius, other)})' if min(celsius, other) < 0 else min(celsius, other)}"
    return draw.trace(
        prompt=f"""
        [The thermometer at {here} shows {celsius} °C, the one at {there} {fahrenheit} °F. Where is it warmer,
        and by how many degrees Celsius?
        |It is {fahrenheit} °F at {there} and {celsius} °C at {here}. Which place is warmer, and what is the
        difference in Celsius?]""",
        reasoning=f"""
        {draw.opening()} [Two scales, so I can't compare the numbers as they stand. I'll bring both to
        Celsius, because the question asks for it.
        |{fahrenheit} and {celsius} are on different scales. Converting the Fahrenheit reading is enough.]

        [From Fahrenheit to Celsius: take away 32, then multiply by 5/9.|The rule is C = (F - 32) × 5/9.]
        [{fahrenheit} - 32 = {fahrenheit - 32}, and {fahrenheit - 32} × 5 / 9 = {other}.
        |Subtracting 32 leaves {fahrenheit - 32}. A ninth of that is {(fahrenheit - 32) // 9}, and five times
        this is {other}.] So at {there} it is {other} °C.

        [Now {celsius} against {other}: it is warmer at {warmer}. The difference is {difference} = {gap}
        degrees.
        |Both in Celsius now: {celsius} °C at {here}, {other} °C at {there}. The warmer place is {warmer}, and
        {difference} = {gap}.]

        [?Going the other way, {other} × 9/5 + 32 = {fahrenheit - 32} + 32 = {fahrenheit}, the number I
        started from.]

        [!In Fahrenheit {here} has {in_fahrenheit} °F, and {in_fahrenheit} against {fahrenheit} gives the same
        order.]
        [A degree Celsius is 1.8 degrees Fahrenheit, so in Fahrenheit the gap would look bigger:
        {decimal(Fraction(gap * 9, 5))} degrees.|]""",
        answer=f"""
        [It is warmer at {warmer}, by {gap} °C.
        |{capital(warmer)} is warmer: {max(celsius, other)} °C against {min(celsius, other)} °C at {colder}, a
        difference of {gap} degrees.]""",
    )


def tiles(draw: Draw) -> Trace:
    """Metres of floor, centimetres of tile."""
    room = draw.one("kitchen", "bathroom", "hallway", "terrace", "workshop", "laundry room")
    side = draw.one(20, 25, 30, 40, 50)
    columns, rows = draw.number(7, 24), draw.number(5, 16)
    length, width = decimal(Fraction(columns * side, 100)), decimal(Fraction(rows * side, 100))
    need, box = columns * rows, draw.one(8, 10, 12, 15)
    boxes = -(-need // box)
    spare = boxes * box - need
    rest = (
        f"The last box is not used up: {plural(spare, 'tile')} will be left."
        if spare
        else "Nothing is left over."
    )
    area = Fraction(columns * rows * side * side, 10000)
    return draw.trace(
        prompt=f"""
        [A {room} measures {length} m by {width} m. How many square tiles with a side of {side} cm cover the
        floor, and how many boxes of {box} tiles must be bought?
        |Square tiles of {side} cm come in boxes of {box}. How many tiles and how many boxes does the floor of
        a {room} take that is {length} m long and {width} m wide?]""",
        reasoning=f"""
        {draw.opening()} [Metres and centimetres are mixed here, so first everything in centimetres:
        {columns * side} cm by {rows * side} cm.
        |I'll convert the room to centimetres. {length} m is {columns * side} cm and {width} m is {
            rows * side
        } cm.]

        [Along the length {columns * side} / {side} = {columns} tiles fit exactly, along the width {
            rows * side
        } / {side}
        = {rows}. Nothing has to be cut.
        |One row takes {columns * side} ÷ {side} = {columns} tiles, and there are {rows * side} ÷ {side} = {
            rows
        } rows,
        both without a remainder.]
        [So the floor takes {columns} × {rows} = {need} tiles.|That is {need} tiles for {rows} rows of {
            columns
        }.]

        [In boxes of {box}: {need} / {box} is {"exactly " if not spare else "about "}{
            decimal(Fraction(need, box), 1)
        }, so
        {boxes} boxes. {rest}
        |{boxes} boxes hold {boxes * box} tiles, and {boxes - 1} boxes only {
            (boxes - 1) * box
        }, which is not enough for
        {need}. So it must be {boxes}. {rest}]

        [?By area: the room has {length} × {width} = {decimal(area, 4)} square metres, a tile {
            decimal(Fraction(side * side, 10000), 4)
        }. The quotient is {need}.]

        [|In practice one would buy a spare box for broken tiles, but the question is about what is
        needed.]""",
        answer=f"""
        [{need} tiles are needed, which means {boxes} boxes.
        |The floor takes {need} tiles ({columns} by {rows}). {boxes} boxes have to be bought
        {f"and {plural(spare, 'tile')} will be left" if spare else "and are used up completely"}.]""",
    )


_RECIPES = (
    ("pancakes", (("flour", "g", 60), ("milk", "ml", 100), ("butter", "g", 15))),
    ("lentil soup", (("lentils", "g", 75), ("stock", "ml", 250), ("carrots", "g", 60))),
    ("rice pudding", (("rice", "g", 50), ("milk", "ml", 225), ("sugar", "g", 15))),
    ("mashed potatoes", (("potatoes", "g", 250), ("milk", "ml", 40), ("butter", "g", 20))),
    ("fruit salad", (("apples", "g", 80), ("grapes", "g", 45), ("orange juice", "ml", 30))),
)


def recipe_scaling(draw: Draw) -> Trace:
    """A recipe for some, cooked for others."""
    [cook] = draw.people(1)
    dish, parts = draw.one(*_RECIPES)
    before, after = draw.some((2, 3, 4, 5, 6, 8, 10, 12), 2)
    given = ", ".join(f"{each * before:,} {unit} of {what}" for what, unit, each in parts)
    first, _, each = parts[0]
    factor = Fraction(after, before)
    scaled = ", ".join(f"{each * after:,} {unit} of {what}" for what, unit, each in parts)
    one_by_one = " ".join(
        f"{capital(what)}: {each * before:,} / {before} = {each} {unit} a head, and {each} × {after} = {each * after:,} "
        f"{unit}." for what, unit, each in parts
    )  # fmt: skip
    return draw.trace(
        prompt=f"""
        [A recipe of {dish} for {before} people takes {given}. {cook.name} cooks for {after}. How much of each
        is needed?
        |{cook.name} has a recipe of {dish} for {before}: {given}. Work out the amounts for {after}
        people.]""",
        reasoning=f"""
        {draw.opening()} [Everything has to change by the same factor, {after}/{before}{
            "" if factor.denominator == before else f" = {factor}"
        }. Going through the amount for one person keeps the numbers friendly.
        |I'll go down to one person and up to {after} again.
        |The safest way is to find what a single portion takes.]

        {one_by_one}

        [?The ratio of the new amount of {first} to the old one is {each * after:,} / {each * before:,} = {
            factor
        }, as
        it should be, and the other lines have the same ratio.]

        [Since {after} is {"more" if after > before else "less"} than {before}, all amounts should have
        {"grown" if after > before else "shrunk"}, and they have.
        |The proportions between the ingredients stay what they were, so it should taste the same.]""",
        answer=f"""
        [For {after} people {cook.name} needs {scaled}.
        |{capital(dish)} for {after}: {scaled}.]""",
    )


TEMPLATES = (average_speed, temperatures, tiles, recipe_scaling)
