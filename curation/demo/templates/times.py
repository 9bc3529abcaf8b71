"""Dates and clocks: weekdays, days between dates, arrivals, meetings of rhythms, leap years, backward planning."""

import calendar
import datetime
import math

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import MONTHS, WEEKDAYS, clock, duration, listing, ordinal, plural

_EVENTS = (
    "a library book is due",
    "the parcel arrives",
    "the course begins",
    "the choir meets again",
    "the lease ends",
)


def weekday_after(draw: Draw) -> Trace:
    """The day of the week some days from now, or some days ago."""
    name = draw.people(1)[0].name
    today = draw.number(0, 6)
    days = draw.number(23, 365)
    event = draw.one(*_EVENTS)
    back = draw.number(0, 2) == 0
    weeks, rest = divmod(days, 7)
    result = (today - days if back else today + days) % 7
    now, then = WEEKDAYS[today], WEEKDAYS[result]
    step = -1 if back else 1
    walk = (
        listing([WEEKDAYS[(today + step * passed) % 7] for passed in range(1, rest + 1)], "and then")
        if rest
        else ""
    )
    other = 7 - rest
    alternative = WEEKDAYS[(today - step * other) % 7]
    direction, opposite = ("backwards", "forwards") if back else ("forwards", "backwards")
    if rest:
        moves = f"""[From {now} I go {plural(rest, "day")} {direction}: {walk}. So it is {then}.
        |So only {plural(rest, "step")} {direction} count{"s" if rest == 1 else ""}. Starting after {now}:
        {walk}.]"""
        again = f"""[?Instead of {rest} {direction} I can go 7 - {rest} = {other} {opposite} from {now}, since a full
        week changes nothing. That ends on {alternative}, too.]"""
    else:
        moves = f"[Nothing is left over, so it is {now} again.|So the weekday does not move at all: {now}.]"
        again = f"[?{weeks} × 7 is exactly {days}, without a remainder.]"
    near = days // 70 * 70
    split = f"""[!({near} is a multiple of 7, so I can drop it at once; {days} - {near} = {days - near}, and
    {days - near} = {(days - near) // 7} × 7 + {rest}.)]""" if near else ""  # fmt: skip
    return draw.trace(
        prompt=f"""
        [{
            f"Today is {now}. What day of the week was it {days} days ago?"
            if back
            else f"Today is {now}. What day of the week will it be in {days} days?"
        }
        |{
            f"Exactly {days} days ago {name} moved in. If today is {now}, on which weekday was that?"
            if back
            else f"It is {now} today, and in {days} days {event}. Which weekday will that be?"
        }]""",
        reasoning=f"""
        {draw.opening()} [Weekdays repeat every 7 days, so only the remainder of {days} divided by 7 matters.
        |Whole weeks bring me back to the same weekday. What is left after taking them out?
        |I don't have to count {days} days one by one; sevens can be thrown away.]

        [{days} / 7: 7 × {weeks} = {7 * weeks}, and {days} - {7 * weeks} = {rest}.
        |{weeks} full weeks are {7 * weeks} days, which leaves {rest}.] {split}

        {moves}

        {again}

        [|The date itself does not matter for this, nor does the length of any month. Only the {days} days and
        the {now} do.]""",
        answer=f"""
        [It {"was" if back else "will be"} a {then}.
        |{f"{days} days ago" if back else f"In {days} days"} the weekday {"was" if back else "is"} {then},
        since {days} leaves a remainder of {rest} when divided by 7.]""",
    )


def days_between(draw: Draw) -> Trace:
    """Days from one date of a year to another, month by month."""
    year = draw.number(2019, 2033)
    first, last = sorted(draw.some(range(1, 13), 2))
    if last - first < 2:
        first, last = max(1, first - 1), min(12, last + 1)
    start = datetime.date(year, first, draw.number(2, 27))
    end = datetime.date(year, last, draw.number(2, 27))
    days = (end - start).days
    length = calendar.monthrange(year, first)[1]
    remaining = length - start.day
    months = [(MONTHS[month - 1], calendar.monthrange(year, month)[1]) for month in range(first + 1, last)]
    between = sum(count for _, count in months)
    middle = listing([f"{name} has {count}" for name, count in months])
    total = f"{remaining} + {' + '.join(str(count) for _, count in months)} + {end.day} = {days}"
    a, b = (f"{day.day} {MONTHS[day.month - 1]}" for day in (start, end))
    leap = calendar.isleap(year)
    february = f"{year} is {'' if leap else 'not '}a leap year, so February has {29 if leap else 28} days."
    of_year_a, of_year_b = start.timetuple().tm_yday, end.timetuple().tm_yday
    return draw.trace(
        prompt=f"""
        [How many days is it from {a} to {b} {year}?
        |A ticket bought on {a} {year} is used on {b} of the same year. How many days later is that?
        |Between {a} {year} and {b} {year}, how many nights pass?]""",
        reasoning=f"""
        {
            draw.opening()
        } [I'll go month by month: the rest of the first month, the full months, then the days of the
        last one.
        |The months have different lengths, so I split the span at the ends of the months.] {
            february if first <= 2 else ""
        }

        [{MONTHS[first - 1]} has {length} days. After the {ordinal(start.day)} there are {length} - {
            start.day
        } =
        {remaining} left.
        |From {a} to the end of {MONTHS[first - 1]} it is {length} - {start.day} = {
            plural(remaining, "day")
        }.]
        [Then the full {"month" if len(months) == 1 else "months"}: {middle}.
        |In between, {middle}{f", together {between}" if len(months) > 1 else ""}.] [Finally {end.day} days of
        {MONTHS[last - 1]}.|And {end.day} more in {MONTHS[last - 1]}.]

        [The sum: {total}.|So {total} days.]

        [?[{a} is day number {of_year_a} of the year and {b} is number {of_year_b}. The difference is {
            of_year_b
        } -
        {of_year_a} = {days}.
        |{MONTHS[first - 1]} to {MONTHS[last - 1]} is {
            plural(last - first, "month")
        }, at about 30.4 days each some
        {round((last - first) * 30.4)} days; going from the {ordinal(start.day)} to the {
            ordinal(end.day)
        } shifts
        that by {end.day - start.day:+d}. That gives about {
            round((last - first) * 30.4) + end.day - start.day
        }, close
        to {days}.]]

        [|I count the last day and not the first, which is what "from … to …" usually means.
        |In weeks that would be {days // 7} and {plural(days % 7, "day")}.]""",
        answer=f"""
        [It is {days} days in all.|From {a} to {b} {year} there are {days} days.]""",
    )


_PLACES = "Northfield", "Easton", "Westbrook", "Southport", "Midvale", "Lakeside", "Hillcrest", "Riverton"


def arrival_time(draw: Draw) -> Trace:
    """A train, a wait and a bus, often past midnight."""
    here, change, there = draw.some(_PLACES, 3)
    start = draw.number(0, 287) * 5
    first, wait, second = draw.number(35, 330), draw.number(6, 55), draw.number(20, 180)
    middle, leave, end = start + first, start + first + wait, start + first + wait + second
    total = first + wait + second
    to_hour = -start % 60
    hop = f"""(To the full hour it is {plural(to_hour, "minute")}; the other {first - to_hour} minutes are
    {duration(first - to_hour)}.)""" if 0 < to_hour < first else ""  # fmt: skip
    midnight = f"""That passes midnight: 24:00 is {1440 - start} minutes after {clock(start)}, so the arrival falls on
    the next day.""" if end >= 1440 else ""  # fmt: skip
    later = " the next day" if end >= 1440 else ""
    return draw.trace(
        prompt=f"""
        [A train leaves {here} at {clock(start)} and takes {duration(first)} to {change}. After a wait of
        {plural(wait, "minute")} a bus goes on to {there} in {duration(second)}. When does it arrive?
        |Somebody travels from {here} to {there}: by train at {clock(start)}, {duration(first)} to {change},
        then {plural(wait, "minute")} at the stop and {duration(second)} by bus. At what time is the journey
        over?]""",
        reasoning=f"""
        {draw.opening()} [Three pieces follow each other: train, wait, bus. I'll move the clock forward piece
        by piece.
        |I'll keep a clock running from {clock(start)}.]

        [Train: {clock(start)} plus {duration(first)} is {clock(middle)}. [!{hop}]
        |After {duration(first)} by train it is {clock(middle)} at {change}. [!{hop}]]
        [Waiting {wait} minutes brings me to {clock(leave)}.|The bus leaves {wait} minutes later, at
        {clock(leave)}.]
        [The bus takes {duration(second)}: {clock(end)}.|Another {duration(second)} on the bus, and it is
        {clock(end)}.] {midnight}

        [?In minutes: {first} + {wait} + {second} = {total}, which is {duration(total)}. Added to
        {clock(start)} that gives {clock(end)}{later}.]

        [|The wait is easy to forget. Without it the result would have been {clock(end - wait)}.
        |The whole journey takes {duration(total)}, and {plural(first + second, "minute")} of that
        {"are" if first + second != 1 else "is"} spent moving.]""",
        answer=f"""
        [The arrival is at {clock(end)}{later}.
        |{there} is reached at {clock(end)}{later}, after {duration(total)}.]""",
    )


_RHYTHMS = (
    ("Two lighthouses flash every {a} and every {b} seconds", "flashed together", "flash together", "second"),
    (
        "One bus line runs every {a} minutes, another every {b}",
        "left at the same time",
        "leave together",
        "minute",
    ),
    (
        "A baker rests every {a} days, a florist every {b} days",
        "rested on the same day",
        "rest together",
        "day",
    ),
    ("One bell rings every {a} minutes, another every {b}", "rung at once", "ring at once", "minute"),
    ("Two joggers need {a} and {b} minutes for a lap", "started together", "meet at the start", "minute"),
)


def meeting_again(draw: Draw) -> Trace:
    """Two rhythms that fall together: the least common multiple."""
    scene, together, again, unit = draw.one(*_RHYTHMS)
    a, b = sorted(draw.some([4, 6, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 24, 25, 28, 30, 35, 36, 40, 45], 2))
    common, divisor = math.lcm(a, b), math.gcd(a, b)
    times = draw.number(2, 5)
    multiples = [str(b * count) for count in range(1, common // b + 1)]
    shown = multiples if len(multiples) <= 9 else [*multiples[:3], "…", *multiples[-2:]]
    return draw.trace(
        prompt=f"""
        {scene.format(a=a, b=b)}. They have just {together}. [After how many {unit}s will they {again} for the
        first time, and after how many for the {ordinal(times)} time?
        |When will they {again} next, and when does it happen for the {ordinal(times)} time from now?]""",
        reasoning=f"""
        {draw.opening()} [The moments of the first are the multiples of {
            a
        }, those of the second the multiples of {b}. I
        want the smallest number that is both.
        |Both rhythms start at zero, so this asks for the least common multiple of {a} and {b}.]

        [I go through the multiples of {b} and look whether {a} divides them: {
            ", ".join(shown)
        }. The first one that
        {a} divides is {common} = {a} × {common // a}.
        |The greatest common divisor of {a} and {b} is {divisor}. So the least common multiple is {a} × {
            b
        } / {divisor} =
        {a * b} / {divisor} = {common}.]

        [?{common} / {a} = {common // a} and {common} / {b} = {
            common // b
        }, both whole, and these two quotients have no
        common factor. So no smaller number will do.]

        [From there on it repeats every {common} {unit}s. The {ordinal(times)} time is at {times} × {common} =
        {times * common}.
        |After {common} {unit}s everything is as it was at the start, so the {
            ordinal(times)
        } time comes after {times} ×
        {common} = {times * common}.]

        [Multiplying {a} and {b} right away would give {a * b}, which is {
            "also where I ended, because they share no"
            if divisor == 1
            else "a common multiple, but not the first, because they share the"
        } factor{"" if divisor == 1 else f" {divisor}"}.|]""",
        answer=f"""
        [They {again} after {common} {unit}s, and for the {ordinal(times)} time after {times * common}.
        |First after {common} {unit}s; the {ordinal(times)} time is after {times * common} {unit}s.]""",
    )


def leap_years(draw: Draw) -> Trace:
    """Leap years in a span that may hold a century."""
    start = draw.one(*range(1880, 1899), *range(1980, 2030), *range(2085, 2099))
    end = start + draw.number(12, 48)
    fours = [year for year in range(start, end + 1) if year % 4 == 0]
    leaps = [year for year in fours if calendar.isleap(year)]
    century = next((year for year in (1900, 2000, 2100) if start <= year <= end), None)
    if century is None:
        rule = "There is no full century in this span, so every multiple of 4 counts."
    elif century == 2000:
        rule = "The year 2000 is a full century, but it is divisible by 400, so it does count."
    else:
        rule = f"But {century} is a full century and not divisible by 400, so it is not a leap year and has to go."
    days = 365 * (end - start + 1) + len(leaps)
    return draw.trace(
        prompt=f"""
        [How many leap years are there from {start} to {end}, both included?
        |Count the years between {start} and {end} (inclusive) that have a 29 February.]""",
        reasoning=f"""
        {draw.opening()} [The rule: a year is a leap year if 4 divides it, except full centuries, unless 400
        divides them.
        |In the Gregorian calendar every fourth year is a leap year, but of the full centuries only those that
        400 divides.]

        [The first multiple of 4 is {fours[0]}, the last {fours[-1]}. That makes ({fours[-1]} - {fours[0]}) /
        4 + 1 = {len(fours)} years.
        |Multiples of 4 in this span: {", ".join(map(str, fours))}. That makes {len(fours)}.] {rule}

        [So there are {len(leaps)} leap years.|That leaves {len(leaps)}.|My count is {len(leaps)}.]

        [?The span has {end - start + 1} years, and a quarter of that is {(end - start + 1) / 4:g}. A count of
        {len(leaps)} is close to that, as it should be.]

        [The whole span therefore has {end - start + 1} × 365 + {len(leaps)} = {days:,} days.|]""",
        answer=f"""
        [There are {len(leaps)} leap years from {start} to {end}.
        |There are {len(leaps)} of them: the first is {leaps[0]} and the last {leaps[-1]}.]""",
    )


TEMPLATES = (weekday_after, days_between, arrival_time, meeting_again, leap_years)
