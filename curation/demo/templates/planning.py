"""Planning: cooking backwards, shortest routes, dependent tasks, water jugs, a common free slot."""

from collections.abc import Sequence
from itertools import combinations, pairwise, permutations

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import clock, duration, listing, plural

_MENUS = (
    ("a roast", (("heat the oven", 12, 20), ("roast", 75, 140), ("let the meat rest", 10, 25))),
    ("bread", (("knead", 10, 20), ("let the dough rise", 60, 120), ("bake", 35, 55))),
    ("a stew", (("chop everything", 15, 30), ("brown the vegetables", 12, 25), ("simmer", 80, 150))),
    ("a pie", (("chill the pastry", 30, 60), ("roll out the pastry", 8, 18), ("bake", 40, 60))),
    ("a lasagne", (("cook the sauce", 40, 80), ("put the layers together", 10, 20), ("bake", 35, 50))),
)


def cooking_backwards(draw: Draw) -> Trace:
    """A meal with a fixed time: when to begin."""
    [cook] = draw.people(1)
    dish, parts = draw.one(*_MENUS)
    steps = [(what, draw.number(low, high)) for what, low, high in parts]
    total = sum(minutes for _, minutes in steps)
    table = draw.number(5, 15)
    serve = draw.number(48, 84) * 15
    start = serve - total - table
    walk, moment = "", serve - table
    for what, minutes in reversed(steps):
        walk += f" {what.capitalize()}: {minutes} minutes, from {clock(moment - minutes)} to {clock(moment)}."
        moment -= minutes
    listed = "; ".join(f"{what}, {plural(minutes, 'minute')}" for what, minutes in steps)
    return draw.trace(
        prompt=f"""
        [{cook.name} wants to serve {dish} at {clock(serve)}. The steps, one after the other: {listed}; set
        the table, {table} minutes. When must {cook.she} begin at the latest?
        |{dish.capitalize()} should be on the table at {clock(serve)}. {cook.name} has to do these things in
        this order: {listed}. Setting the table at the end takes {table} minutes. What is the latest time to
        start?]""",
        reasoning=f"""
        {draw.opening()} [The end is fixed, so I'll walk backwards from {clock(serve)}.
        |Working backwards from the meal seems natural.]

        [The last {table} minutes go to the table, so the cooking has to be over at {clock(serve - table)}.
        |Subtracting the {table} minutes at the end, everything must be cooked by
        {clock(serve - table)}.]{walk}

        [So the start is at {clock(start)}.|That takes me back to {clock(start)}.]

        [?All together: {" + ".join(str(minutes) for _, minutes in steps)} + {table} = {total + table}
        minutes, or {duration(total + table)}. From {clock(start)} this leads to {clock(serve)}.]

        [The longest single step takes {plural(max(minutes for _, minutes in steps), "minute")}, so there is
        time to do something else meanwhile.
        |A few minutes in hand would be wise, but the question is about the latest possible time.|]""",
        answer=f"""
        [{cook.name} must begin at {clock(start)} at the latest.
        |The work must begin at {clock(start)}, because all the steps together take
        {duration(total + table)}.]""",
    )


_STOPS = (
    "the station",
    "the library",
    "the market",
    "the museum",
    "the park",
    "the bakery",
    "the harbour",
    "the school",
)


Roads = dict[frozenset[str], int]


def shortest_route(draw: Draw) -> Trace:
    """Paths between five places: every route, and the shortest."""
    places = draw.some(_STOPS, 5)
    start, *middle, end = places
    closed = [{start, end}, *(set(pair) for pair in draw.some(list(combinations(middle, 2)), 2))]
    roads: Roads = {}
    while len(totals := [total for total, _ in _routes(places, roads)]) < 2 or totals[0] == totals[1]:
        roads = {
            frozenset(pair): draw.number(4, 30) for pair in combinations(places, 2) if set(pair) not in closed
        }
    routes = _routes(places, roads)
    road_list = "; ".join(f"{a} and {b} {roads[frozenset((a, b))]}" for a, b in combinations(places, 2)
                          if frozenset((a, b)) in roads)  # fmt: skip
    walked = " ".join(
        f"Via {_via(route)}: {' + '.join(str(roads[leg]) for leg in _legs(route))} = {time}."
        for time, route in draw.order(routes)
    )
    (best, way), (second, other) = routes[:2]
    unjoined = " and ".join(f"no path between {listing([place for place in middle if place in pair])}"
                            for pair in closed[1:])  # fmt: skip
    return draw.trace(
        prompt=f"""
        [These paths connect five places in a town, with walking times in minutes: {road_list}. What is the
        quickest way from {start} to {end}?
        |Find the shortest walk from {start} to {end}. Minutes between places that are joined by a path:
        {road_list}.]""",
        reasoning=f"""
        {draw.opening()} [There is no direct path, so I have to go through other places. With so few I can
        list every way that visits no place twice.
        |{start.capitalize()} and {end} are not joined directly. I'll write down all the ways around.]

        {walked}

        [The smallest total is {best} minutes, via {_via(way)}.
        |Comparing them, {best} is the least. That is the way via {_via(way)}.] [Next best is {second}, via
        {_via(other)}.|The runner-up, via {_via(other)}, takes {second}.]

        [?Is there a way that I forgot? In between there are only {listing(middle)}, and there is {unjoined}.
        That leaves {len(routes)} ways, and I have {len(routes)}.]""",
        answer=f"""
        [The quickest way goes via {_via(way)} and takes {best} minutes.
        |Walk from {start} to {" and on to ".join(way[1:])}: {best} minutes.]""",
    )


def _legs(route: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(leg) for leg in pairwise(route)]


def _via(route: Sequence[str]) -> str:
    return " and then ".join(route[1:-1])


def _routes(places: Sequence[str], roads: Roads) -> list[tuple[int, list[str]]]:
    """All ways from the first place to the last that visit none twice, with their lengths, shortest first."""
    start, *middle, end = places
    ways = [[start, *way, end] for size in range(1, len(middle) + 1) for way in permutations(middle, size)]
    return sorted(
        (sum(roads[leg] for leg in _legs(way)), way)
        for way in ways
        if all(leg in roads for leg in _legs(way))
    )


_TASKS = (
    ("moving house", ("pack", "hire a van", "load", "clean", "unload"), ((2, 0), (2, 1), (4, 2), (3, 2))),
    ("a garden party", ("shop", "borrow tables", "cook", "set up", "decorate"), ((2, 0), (3, 1), (4, 3))),
    ("a website", ("write texts", "take photos", "design", "build", "test"), ((2, 1), (3, 0), (3, 2), (4, 3))),
    ("painting a room", ("buy paint", "empty the room", "tape the edges", "paint", "dry"), ((2, 1), (3, 0), (3, 2), (4, 3))),
    ("a school play", ("choose a play", "sew costumes", "build the stage", "rehearse", "perform"),
     ((1, 0), (2, 0), (3, 0), (4, 1), (4, 2), (4, 3))),
)  # fmt: skip


def dependent_tasks(draw: Draw) -> Trace:
    """Tasks that wait for others: the earliest end."""
    project, names, needs = draw.one(*_TASKS)
    times = [draw.number(1, 9) for _ in names]
    before = [[first for later, first in needs if later == task] for task in range(len(names))]
    ends: list[int] = []
    walk = ""
    for task, name in enumerate(names):
        start = max((ends[first] for first in before[task]), default=0)
        ends.append(start + times[task])
        if before[task]:
            waits = listing([f'"{names[first]}" ({ends[first]})' for first in before[task]])
            walk += f""" ["{name}" waits for {waits}, so it begins at {start} and ends at {start + times[task]}.
            |Before "{name}" comes {waits}. It runs from {start} to {start + times[task]}.]"""
        else:
            walk += f' "{name}" needs nothing else, so it runs from 0 to {times[task]}.'
    end = max(ends)
    chain = [ends.index(end)]
    while before[chain[0]]:
        chain.insert(0, max(before[chain[0]], key=lambda task: ends[task]))
    path = " → ".join(names[task] for task in chain)
    listed = "; ".join(
        f"{name} ({plural(times[task], 'hour')}"
        + (f", after {listing([names[first] for first in before[task]])})" if before[task] else ")")
        for task, name in enumerate(names)
    )
    return draw.trace(
        prompt=f"""
        [The plan for {project} has these tasks: {listed}. There are enough helpers to do things at the same
        time. How many hours does it take at least?
        |For {project} there is this to do: {listed}. Tasks that don't wait for each other can run side by
        side. What is the shortest possible total time?]""",
        reasoning=f"""
        {draw.opening()} [A task can begin when the last of those it waits for is done. So I'll note for each
        one when it begins and when it ends, starting at hour 0.
        |Adding all the hours would give {sum(times)}, but that is only right for somebody working alone. Here
        each task starts as early as the ones before it allow.]

        {walk}

        [The last one to finish does so at hour {end}.|The latest end is {end}, and that is when the whole
        plan is done.]

        [?The chain that decides is {path}: {" + ".join(str(times[task]) for task in chain)} = {end}. No plan
        can be shorter than this chain, and mine is not longer.]

        [To finish sooner, one of the tasks in the chain {path} would have to become shorter; speeding up
        others would not help.|]""",
        answer=f"""
        [It takes at least {plural(end, "hour")}.|It takes {plural(end, "hour")}; the deciding chain is
        {path}.]""",
    )


def water_jugs(draw: Draw) -> Trace:
    """Two jugs, a tap, and an amount that neither of them holds."""
    small, large = draw.one(
        (3, 5), (4, 7), (3, 7), (5, 7), (3, 8), (5, 8), (4, 9), (5, 9), (5, 11), (7, 9), (3, 10), (3, 11)
    )
    goal = draw.one(*[amount for amount in range(1, large) if amount != small])
    from_large = _pour(small, large, goal, fill_large=True)
    from_small = _pour(small, large, goal, fill_large=False)
    best, other = sorted((from_large, from_small), key=len)
    where, amounts = ("large", best[-1][2]) if best[-1][2] == goal else ("small", best[-1][1])
    steps = " ".join(f"{what}: {a} and {b}." for what, a, b in best)
    first = "large" if best is from_large else "small"
    return draw.trace(
        prompt=f"""
        [With a jug of {small} litres and one of {large} litres, and a tap, how can somebody measure out
        exactly {plural(goal, "litre")}? The jugs have no marks.
        |There are two unmarked jugs, {small} and {large} litres, and as much water as you like. Get exactly
        {plural(goal, "litre")} into one of them.]""",
        reasoning=f"""
        {draw.opening()} [The only exact moves are to fill a jug, to empty one, or to pour until one is full
        or the other empty. I'll write the state as (small, large) in litres.
        |Without marks I can fill, empty, and pour over until something is full or empty. I note what is in
        the small jug and in the large one.]

        [Let me keep filling the {first} jug and pouring it into the other.
        |A good habit is always to fill the same jug, here the {first} one, and always to empty the other.]
        {steps}

        [Now the {where} jug holds exactly {amounts} {"litre" if goal == 1 else "litres"}. That took
        {len(best)} moves.
        |There it is: {plural(goal, "litre")} in the {where} jug, after {len(best)} moves.]

        [?Following the numbers again: {" → ".join(f"({a}, {b})" for _, a, b in best)}. Every step fills a
        jug, empties one, or pours as far as it goes.]

        [Starting with the other jug also works,
        {"but takes" if len(other) > len(best) else "and takes just the same,"} {len(other)} moves.|]""",
        answer=f"""
        [{"; ".join(what[0].lower() + what[1:] for what, _, _ in best).capitalize()}. Then the {where} jug
        holds {plural(goal, "litre")}.
        |It takes {len(best)} moves: {", ".join(what[0].lower() + what[1:] for what, _, _ in best)}.]""",
    )


def _pour(small: int, large: int, goal: int, *, fill_large: bool) -> list[tuple[str, int, int]]:
    """The moves (what, litres in the small jug, in the large one) that always fill one jug and empty the other."""
    sizes = (large, small) if fill_large else (small, large)
    names = ("large", "small") if fill_large else ("small", "large")
    held = [0, 0]
    moves: list[tuple[str, int, int]] = []

    def note(what: str) -> None:
        moves.append((what, held[1], held[0]) if fill_large else (what, held[0], held[1]))

    while goal not in held:
        if held[0] == 0:
            held[0] = sizes[0]
            note(f"Fill the {names[0]} jug")
        elif held[1] == sizes[1]:
            held[1] = 0
            note(f"Empty the {names[1]} jug")
        else:
            amount = min(held[0], sizes[1] - held[1])
            held = [held[0] - amount, held[1] + amount]
            note(f"Pour from the {names[0]} into the {names[1]} jug")
    return moves


def common_slot(draw: Draw) -> Trace:
    """Three calendars, one meeting."""
    people = [person.name for person in draw.people(3)]
    length = draw.one(30, 40, 45, 60, 75, 90)
    start = draw.number(22, 30) * 30
    slots = [(start - 15 * draw.number(0, 4), start + length + 5 * draw.number(0, 9)) for _ in people]
    begin, finish = max(slot[0] for slot in slots), min(slot[1] for slot in slots)
    early = {name: (480 + 15 * draw.number(0, 3), 540 + 15 * draw.number(0, 3)) for name in people}
    absent = draw.one(*people)
    free = {
        name: [slot] if name == absent else [early[name], slot]
        for name, slot in zip(people, slots, strict=True)
    }
    calendars = "; ".join(
        f"{name} {listing([f'{clock(a)} to {clock(b)}' for a, b in spans])}" for name, spans in free.items()
    )
    last_in = people[[slot[0] for slot in slots].index(begin)]
    first_out = people[[slot[1] for slot in slots].index(finish)]
    leaves = f"{first_out} is also" if first_out == last_in else f"{first_out} is"
    two = max(slots[0][0], slots[1][0]), min(slots[0][1], slots[1][1])
    return draw.trace(
        prompt=f"""
        [Three people look for a time to meet for {duration(length)}. They are free at these times:
        {calendars}. When can the meeting begin at the earliest, and at the latest?
        |{listing(people)} want to meet for {duration(length)} today. Free times: {calendars}. What are the
        earliest and the latest possible start?]""",
        reasoning=f"""
        {draw.opening()} [Everybody must be free, so I need the part that all three have in common.
        |The meeting can only lie where all calendars overlap.] [The early hours are out, because {absent} is
        not there.
        |Before ten nothing works, since {absent} is missing. So only the later times count.]

        [I begin with two of them. {people[0]} has {clock(slots[0][0])} to {clock(slots[0][1])} and
        {people[1]} {clock(slots[1][0])} to {clock(slots[1][1])}. In common: {clock(two[0])} to
        {clock(two[1])}. With {people[2]}'s {clock(slots[2][0])} to {clock(slots[2][1])} this becomes
        {clock(begin)} to {clock(finish)}.
        |The last to become free is {last_in}, at {clock(begin)}. {leaves} the first who has to leave, at
        {clock(finish)}. Between these two moments all three are there.]

        [From {clock(begin)} to {clock(finish)} it is {duration(finish - begin)}. The meeting takes
        {duration(length)}, so it fits{" with nothing to spare" if finish - begin == length else ""}.
        |That window is {duration(finish - begin)} long, and the meeting needs {duration(length)}.] [It can
        begin between {clock(begin)} and {clock(finish - length)}.|The latest start is {clock(finish)} minus
        {duration(length)}, that is {clock(finish - length)}.]

        [?A meeting from {clock(begin)} to {clock(begin + length)} lies inside
        {listing([f"{clock(a)} to {clock(b)} ({name})" for name, (a, b) in zip(people, slots, strict=True)])}.]""",
        answer=f"""
        [It can begin at {clock(begin)} at the earliest and at {clock(finish - length)} at the latest.
        |The earliest start is {clock(begin)}, the latest start is {clock(finish - length)}.]""",
    )


TEMPLATES = (cooking_backwards, shortest_route, dependent_tasks, water_jugs, common_slot)
