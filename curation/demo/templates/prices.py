"""Shopping: change, prices by weight, fuel, discounts, budgets."""

from fractions import Fraction
from itertools import combinations

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import decimal, listing, money

_SHOPS = (  # goods with their cheapest and dearest price, in steps of 5 cents
    (
        "the stationery shop",
        (("notebooks", 36, 84), ("pencils", 7, 19), ("folders", 30, 78), ("markers", 22, 52)),
    ),
    ("the bakery", (("rolls", 7, 17), ("croissants", 22, 48), ("muffins", 30, 56), ("pretzels", 18, 38))),
    ("the garden centre", (("seed packets", 24, 68), ("clay pots", 42, 90), ("tomato plants", 36, 78))),
    ("the market", (("oranges", 7, 16), ("mangoes", 24, 48), ("melons", 42, 78), ("avocados", 19, 38))),
    ("the hardware store", (("brackets", 18, 46), ("paint brushes", 44, 92), ("door hooks", 25, 60))),
)


def change_at_the_till(draw: Draw) -> Trace:
    """Two kinds of goods, a note, the change."""
    [buyer] = draw.people(1)
    place, goods = draw.one(*_SHOPS)
    (a, *range_a), (b, *range_b) = draw.some(goods, 2)
    each_a, each_b = 5 * draw.number(*range_a), 5 * draw.number(*range_b)
    count_a, count_b = draw.number(2, 9), draw.number(2, 9)
    cost_a, cost_b = count_a * each_a, count_b * each_b
    total = cost_a + cost_b
    note = next(value for value in (1000, 2000, 5000, 10000) if value > total)
    dollars, cents = divmod(each_a, 100)
    pieces = ""
    if dollars and cents:
        pieces = f"""[!(In pieces: {count_a} × {money(dollars * 100)} is {money(count_a * dollars * 100)}, and {count_a}
        × {cents} cents is {money(count_a * cents)}; together {money(cost_a)}.)]"""
    return draw.trace(
        prompt=f"""
        [{buyer.name} goes to {place} and buys {count_a} {a} at {money(each_a)} each and {count_b} {b} at
        {money(each_b)} each. How much change is there from a {money(note)} note?
        |At {place}, {a} cost {money(each_a)} apiece and {b} {money(each_b)} apiece. {buyer.name} takes
        {count_a} {a} and {count_b} {b} and hands over {money(note)}. What does {buyer.she} get back?
        |{buyer.name} has a {money(note)} note. What is left of it after buying {count_a} {a} ({money(each_a)}
        each) and {count_b} {b} ({money(each_b)} each) at {place}?]""",
        reasoning=f"""
        {draw.opening()} [{buyer.name} buys two kinds of things, so I'll price them separately and then add.
        |There are two lines on this receipt. I need both before I can talk about change.
        |The basket holds {a} and {b}; each has its own price.]

        [The {a} first: {count_a} × {money(each_a)} = {money(cost_a)}.
        |{count_a} {a} at {money(each_a)} each come to {money(cost_a)}.
        |For the {a} I get {count_a} times {money(each_a)}, which is {money(cost_a)}.] {pieces}
        [Then the {b}: {count_b} × {money(each_b)} = {money(cost_b)}.
        |The {b} add {count_b} × {money(each_b)}, that is {money(cost_b)}.
        |And {count_b} {b} at {money(each_b)} make {money(cost_b)}.]

        [Together that is {money(cost_a)} + {money(cost_b)} = {money(total)}. From {money(note)} there remain
        {money(note)} - {money(total)} = {money(note - total)}.
        |So the till shows {money(total)}. The note is {money(note)}, so the change is the difference,
        {money(note - total)}.
        |The sum is {money(total)}, which is less than {money(note)}, so one note is enough. Subtracting gives
        {money(note - total)}.]

        [?[If I put {money(note - total)} back on top of {money(total)}, I should be at the note again:
        {money(total)} + {money(note - total)} = {money(note)}.
        |In cents: {cost_a} + {cost_b} = {total}, and {note} - {total} = {note - total}.]]

        [|I was asked for the change and not for the total, so {money(note - total)} is what I report.]""",
        answer=f"""
        [The purchase costs {money(total)}, so {buyer.name} gets {money(note - total)} back.
        |{buyer.name} receives {money(note - total)} in change: {money(note)} minus {money(total)}.
        |What is left is {money(note - total)}. The {a} cost {money(cost_a)} and the {b} {money(cost_b)}.]""",
    )


_GOODS = (
    "rice",
    "coffee",
    "oats",
    "lentils",
    "flour",
    "honey",
    "muesli",
    "raisins",
    "washing powder",
    "cat food",
)
_PACKS = (250, 400), (250, 750), (400, 1000), (500, 750), (500, 1200), (750, 2000), (300, 800), (600, 1500)


def better_pack(draw: Draw) -> Trace:
    """Two packs, two prices: the price of 100 grams decides."""
    good = draw.one(*_GOODS)
    small, large = draw.one(*_PACKS)
    unit_small = 2 * draw.number(15, 60)
    unit_large = unit_small + 2 * draw.one(-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)
    price_small, price_large = unit_small * small // 100, unit_large * large // 100
    cheap, dear = min(unit_small, unit_large), max(unit_small, unit_large)
    winner, size = ("small", small) if unit_small < unit_large else ("large", large)
    kilo = 10 * (dear - cheap)
    return draw.trace(
        prompt=f"""
        [A shop sells {good} in two sizes: {small} g for {money(price_small)} and {large} g for
        {money(price_large)}. Which one is the better value, and how much does it save per kilogram?
        |Which is cheaper per kilogram, and by how much: {small} g of {good} at {money(price_small)}, or
        {large} g at {money(price_large)}?]""",
        reasoning=f"""
        {draw.opening()} [The packs have different sizes, so the prices can't be compared directly. Per 100 g
        they can.
        |People assume that the big pack wins. I'd rather bring both to the same amount, 100 g.]

        [Small pack: {small} g are {decimal(Fraction(small, 100))} times 100 g, so 100 g cost {price_small} /
        {decimal(Fraction(small, 100))} = {unit_small} cents.
        |The small one costs {price_small} cents for {small} g. Divided by {decimal(Fraction(small, 100))}
        that is {unit_small} cents for 100 g.]
        [Large pack: {price_large} / {decimal(Fraction(large, 100))} = {unit_large} cents for 100 g.
        |For the large one it is {price_large} cents over {decimal(Fraction(large, 100))}, or {unit_large}
        cents.]

        [{unit_small} against {unit_large}: the {winner} pack is cheaper, by {dear - cheap} cents for each 100
        g. A kilogram is ten times that, so {money(kilo)}.
        |So a kilogram costs {money(10 * unit_small)} in small packs and {money(10 * unit_large)} in large
        ones. The {winner} pack wins by {money(kilo)}.]

        [?[Turning it round: for one dollar the small pack gives about {100 * 100 // unit_small} g and the
        large one about {100 * 100 // unit_large} g, so the {winner} pack gives more.
        |At the large pack's rate {small} g would cost {decimal(Fraction(unit_large * small, 100))} cents
        instead of {price_small}, which is {"more" if unit_large > unit_small else "less"}.]]

        [|Of course this only helps somebody who uses up {size} g before it spoils, but that was not the
        question.]""",
        answer=f"""
        [The {winner} pack ({size} g) is the better value. It saves {money(kilo)} per kilogram.
        |Take the {size} g pack: {good} costs {money(10 * cheap)} a kilogram there, {money(kilo)} less than in
        the other.]""",
    )


def fuel_cost(draw: Draw) -> Trace:
    """What a return trip costs in fuel."""
    [driver] = draw.people(1)
    distance = 50 * draw.number(2, 12)
    tenths = draw.number(45, 88)
    price = draw.number(14, 21) * 10
    litres_tenths = 2 * distance * tenths // 100
    litres, usage = decimal(Fraction(litres_tenths, 10)), decimal(Fraction(tenths, 10))
    cost = litres_tenths * price // 10
    rough = round(Fraction(tenths, 10)) * 2 * distance // 100
    return draw.trace(
        prompt=f"""
        [{driver.name}'s car uses {usage} litres of fuel per 100 km. A litre costs {money(price)}. What does
        the fuel for a trip to a town {distance} km away and back cost?
        |A town is {distance} km away. {driver.name} drives there and back in a car that needs {usage} litres
        per 100 km, with fuel at {money(price)} a litre. How much is spent on fuel?]""",
        reasoning=f"""
        {draw.opening()} [The words "and back" matter: the distance driven is 2 × {distance} = {2 * distance}
        km.
        |There and back is twice {distance}, so {2 * distance} km.]

        [{2 * distance} km are {decimal(Fraction(2 * distance, 100))} hundreds of kilometres. Each of them
        takes {usage} litres, which makes {decimal(Fraction(2 * distance, 100))} × {usage} = {litres} litres.
        |Fuel: {usage} litres for every 100 km, and there are {decimal(Fraction(2 * distance, 100))} of those.
        So {litres} litres in all.]

        [Now the money: {litres} litres at {money(price)} are {litres} × {price} cents = {cost:,} cents, or
        {money(cost)}.
        |At {money(price)} a litre, {litres} litres cost {money(cost)}.]

        [?[With about {round(Fraction(tenths, 10))} litres per 100 km I would expect roughly {rough} litres,
        and {rough} × {money(price)} is {money(rough * price)}. My {money(cost)} is in that region.
        |One hundred kilometres cost {usage} × {price} = {decimal(Fraction(tenths * price, 10))} cents. Times
        {decimal(Fraction(2 * distance, 100))} that is {cost:,} cents again.]]

        [One way alone would be half of it, {decimal(Fraction(cost, 2), 1)} cents, and that is the number I
        would have got by forgetting the way back.
        |Each kilometre costs {decimal(Fraction(cost, 2 * distance), 2)} cents, which is a believable figure
        for a car.]""",
        answer=f"""
        [The fuel costs {money(cost)} for {litres} litres.
        |{driver.name} spends {money(cost)}: {2 * distance} km, {litres} litres, {money(price)} each.]""",
    )


def two_discounts(draw: Draw) -> Trace:
    """Two discounts after each other against one."""
    thing = draw.one(
        "coat", "bicycle", "desk", "tent", "lamp", "guitar", "pair of boots", "backpack", "sewing machine"
    )
    price = 100 * draw.number(4, 60) * 5
    first, second = draw.some((10, 20, 30, 40, 50), 2)
    middle = price * (100 - first) // 100
    final = middle * (100 - second) // 100
    single = price * (100 - first - second) // 100
    total = 100 - Fraction(final * 100, price)
    return draw.trace(
        prompt=f"""
        [A {thing} costs {money(price)}. It is reduced by {first} %, and at the till another {second} % is
        taken off the reduced price. What does it cost in the end, and is that the same as {first + second} %
        off?
        |A shop takes {first} % off a {thing} of {money(price)} and then {second} % off the new price. Compare
        the result with a single discount of {first + second} %.]""",
        reasoning=f"""
        {draw.opening()} [It is tempting to add {first} and {second}. But the second percentage is taken of a
        smaller amount, so I'd better go step by step.
        |Percentages of different things can't simply be added, so I'll follow the price.]

        [After the first cut {100 - first} % remain: {money(price)} × {decimal(Fraction(100 - first, 100))} =
        {money(middle)}.
        |{first} % of {money(price)} is {money(price - middle)}, which leaves {money(middle)}.]
        [Then {second} % of {money(middle)} is {money(middle - final)}, so the price falls to {money(final)}.
        |Of these {money(middle)} another {100 - second} % remain, and that is {money(final)}.]

        [A single discount of {first + second} % would leave {100 - first - second} % of {money(price)}, that
        is {money(single)}. So it is not the same: the two steps cost {money(final - single)} more.
        |With {first + second} % at once the price would be {money(single)}, {money(final - single)} lower.
        The difference is {second} % of the first discount: {second} % of {money(price - middle)}.]

        [?The two factors multiply: {decimal(Fraction(100 - first, 100))} ×
        {decimal(Fraction(100 - second, 100))} = {decimal(Fraction((100 - first) * (100 - second), 10000))}.
        So together they are {decimal(total)} % off, not {first + second} %.]

        [The order of the two would not matter, by the way, since the factors can be swapped.|]""",
        answer=f"""
        [It costs {money(final)}. A single discount of {first + second} % would make it {money(single)}, so
        they are not the same.
        |The price ends at {money(final)}, which is {decimal(total)} % off; {first + second} % off would be
        {money(single)}.]""",
    )


_STALLS = (
    ("a picnic", (("bread", 3), ("cheese", 5), ("grapes", 4), ("juice", 2), ("cake", 7), ("salad", 6))),
    (
        "a birthday",
        (("balloons", 3), ("candles", 2), ("a cake", 12), ("paper hats", 4), ("a game", 9), ("prizes", 6)),
    ),
    (
        "the garden",
        (("a rake", 11), ("seeds", 4), ("gloves", 6), ("a hose", 14), ("soil", 5), ("a lantern", 9)),
    ),
    (
        "the new flat",
        (("a lamp", 17), ("a rug", 21), ("hooks", 6), ("a mirror", 13), ("a plant", 8), ("a clock", 10)),
    ),
    ("a hike", (("a map", 7), ("socks", 6), ("a flask", 12), ("nuts", 4), ("a whistle", 3), ("a torch", 10))),
)


def within_budget(draw: Draw) -> Trace:
    """One thing is a must; the other things should use the money best."""
    [person] = draw.people(1)
    name = person.name
    purpose, goods = draw.one(*_STALLS)
    chosen = [(what, price + draw.number(0, 3)) for what, price in draw.some(goods, 4)]
    (must, must_price), *wishes = chosen
    sums = sorted(
        (sum(price for _, price in some), [what for what, _ in some])
        for size in (1, 2, 3) for some in combinations(wishes, size)
    )  # fmt: skip
    totals = [total for total, _ in sums]
    best = draw.number(2, 5)
    while totals.count(totals[best]) > 1:
        best += 1
    room = totals[best] + draw.number(0, max(totals[best + 1] - totals[best] - 1, 0) if best < 6 else 2)
    budget = must_price + room
    lines = "; ".join(f"{listing(what)} ${total}" for total, what in sums)
    bought, cost = sums[best][1], sums[best][0]
    left = room - cost
    over = (
        f"The next one up, {listing(sums[best + 1][1])}, needs ${totals[best + 1]}."
        if best < 6
        else "That is all."
    )
    return draw.trace(
        prompt=f"""
        {name} has ${budget} to spend on things for {purpose}:
        {", ".join(f"{what} (${price})" for what, price in chosen)}.
        [{must.capitalize()} must be among them, and {person.she} wants to leave as little money over as
        possible. What should {person.she} buy, at most one of each?
        |The list must include {must}, nothing is bought twice, and as much of the money as possible should be
        used. What is the best choice?]""",
        reasoning=f"""
        {draw.opening()} [{must.capitalize()} first, because that is fixed: ${budget} - ${must_price} = ${
            room
        } remain.
        |The must comes off at once: ${budget} less ${must_price} for {must} leaves ${
            room
        }.] [Now I want the sum of the
        other things to come as close to ${room} as possible without passing it.
        |The other three can be taken or left, so there are only 2 × 2 × 2 = 8 cases, one of which is taking
        nothing.]

        [Sorted by price, the possible combinations are: {lines}.
        |Let me write them all down, cheapest first. {lines[0].upper() + lines[1:]}.]

        [The largest sum that does not exceed ${room} is ${cost}, for {listing(bought)}. {over}
        |Going up the list I can afford everything up to ${cost}, which is {listing(bought)}. {over}]

        [?${must_price} + ${cost} = ${must_price + cost}, which is within ${budget}, and ${left} {
            "is" if left == 1 else "are"
        } left.]

        [Taking the dearest thing first would not be a safe rule here, so I am glad that I listed them all.
        |With so few things a full list is quicker than being clever.|]""",
        answer=f"""
        [{name} should buy {listing([must, *bought])}, for ${must_price + cost} of the ${budget}.
        |The best choice is {listing([must, *bought])}: ${must_price + cost} in all, with ${left} left
        over.]""",
    )


TEMPLATES = (change_at_the_till, better_pack, fuel_cost, two_discounts, within_budget)
