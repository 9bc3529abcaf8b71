"""Patterns in numbers and letters: sequences, counting letters, ciphers, binary, middles."""

from fractions import Fraction
from itertools import pairwise

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import decimal, listing, ordinal, plural

_NUMBER_NAMES = "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"


def next_in_sequence(draw: Draw) -> Trace:
    """A sequence, its rule, and the next two terms."""
    kind = draw.number(0, 4)
    a, b = draw.number(2, 15), draw.number(2, 9)
    terms = [a]
    if kind == 0:
        step = draw.number(2, 6)
        for place in range(7):
            terms.append(terms[-1] + b + step * place)
        rule = f"the gaps grow by {step} each time"
    elif kind == 1:
        factor, shift = draw.number(2, 3), draw.one(-1, 1, 2, 3)
        for _ in range(6):
            terms.append(terms[-1] * factor + shift)
        rule = f"each term is {factor} times the one before, {'plus' if shift > 0 else 'minus'} {abs(shift)}"
    elif kind == 2:
        terms.append(a + b)
        for _ in range(6):
            terms.append(terms[-1] + terms[-2])
        rule = "each term is the sum of the two before it"
    elif kind == 3:
        other = draw.number(2, 9)
        for place in range(7):
            terms.append(terms[-1] + (b if place % 2 == 0 else -other))
        rule = f"{b} is added and {other} taken away, in turn"
    else:
        start = draw.number(1, 6)
        terms = [(start + place) ** 2 + a for place in range(8)]
        rule = f"the terms are the squares of {start}, {start + 1}, {start + 2}, … with {a} added"
    shown, (first, second) = terms[:-2], terms[-2:]
    gaps = [after - before for before, after in pairwise(shown)]
    tests = {
        0: f"The gaps themselves form a simple sequence: {', '.join(map(str, gaps))}. So the next gaps are "
           f"{first - shown[-1]} and {second - first}.",
        1: f"The gaps grow quickly, which smells of multiplication. Indeed {shown[1]} and {shown[2]} come from {shown[0]} "
           f"and {shown[1]} by the same step: {rule}.",
        2: f"The gaps from the second on are {', '.join(map(str, gaps[1:]))}, and that is the sequence itself again. So "
           f"{rule}.",
        3: f"Up and down in turn: {', '.join(f'{gap:+d}' for gap in gaps)}. So {rule}.",
        4: f"The gaps are {', '.join(map(str, gaps))}, which grow by 2. That is the mark of squares, and in fact {rule}.",
    }[kind]  # fmt: skip
    ways = {
        0: f"{shown[-1]} + {first - shown[-1]} = {first} and {first} + {second - first} = {second}",
        1: f"{rule.removeprefix('each term is ')}: {shown[-1]} leads to {first}, and {first} to {second}",
        2: f"{shown[-2]} + {shown[-1]} = {first} and {shown[-1]} + {first} = {second}",
        3: f"{shown[-1]} {'+' if first > shown[-1] else '-'} {abs(first - shown[-1])} = {first} and {first} "
           f"{'+' if second > first else '-'} {abs(second - first)} = {second}",
        4: f"the next roots give {first - a} + {a} = {first} and {second - a} + {a} = {second}",
    }[kind]  # fmt: skip
    text = ", ".join(map(str, shown))
    return draw.trace(
        prompt=f"""
        [Which two numbers come next: {text}, …?|Continue the sequence {text} by two terms and state the rule.
        |What is the rule behind {text}, and how does it go on for two more terms?]""",
        reasoning=f"""
        {draw.opening()} [With sequences I start with the differences between neighbours:
        {", ".join(map(str, gaps))}.
        |The differences are usually telling. Here they are {", ".join(map(str, gaps))}.]
        [A constant difference it is not.|They are not all the same, so a plain step will not do.]

        {tests}

        [Then {ways}.|Going on in this way, {ways}.]

        [?I test the rule from the beginning, because two terms can be a coincidence.
        {rule[0].upper() + rule[1:]}: that gives {text}, {first}, {second}, which starts like the sequence I
        was given.]

        [|A few numbers never force a rule, strictly speaking. But this one is simple and explains all
        {len(shown)} of them.]""",
        answer=f"""
        [The next two are {first} and {second}: {rule}.|After that come {first} and {second}. The rule is that
        {rule}.]""",
    )


_PHRASES = (
    "strawberry marmalade", "a bicycle built for two", "mississippi riverboat", "seven sleepy sheep",
    "banana bread recipe", "the raven and the fox", "coffee committee", "a cup of peppermint tea",
    "blueberry pancakes", "the old lighthouse keeper", "rattling railway carriage", "parallel parking space",
    "unnecessary luggage", "the annual village fair", "green garden gate", "a letter from little rock",
    "possible possessions", "wooden spoons and bowls", "balloon festival", "a successful dress rehearsal",
    "the tattered atlas", "raspberry and cranberry juice", "tomorrow evening", "eleven elegant elephants",
)  # fmt: skip


def letter_count(draw: Draw) -> Trace:
    """How often a letter occurs, spelled out word by word."""
    phrase = draw.one(*_PHRASES)
    letter = draw.one(*[letter for letter in sorted(set(phrase) - {" "}) if phrase.count(letter) > 1])
    words = phrase.split()
    counts = [word.count(letter) for word in words]
    total = sum(counts)
    spelled = " ".join(
        f'"{word}": {"-".join(word)}, '
        + (f"{letter} in place {listing([str(place) for place, one in enumerate(word, 1) if one == letter])}, so "
           f"{_NUMBER_NAMES[count]}." if count else f"no {letter} at all.")
        for word, count in zip(words, counts, strict=True)
    )  # fmt: skip
    rest = len(phrase.replace(" ", "")) - total
    double = next((word for word in words if letter * 2 in word), None)
    caution = (
        f'The double {letter} in "{double}" is where one slips: both of them count.'
        if double
        else f"None of them stands side by side within a word, so a double {letter} can't fool me."
    )
    return draw.trace(
        prompt=f"""
        [How many times does the letter "{letter}" occur in "{phrase}"?
        |Count the letter {letter} in the phrase "{phrase}".
        |In "{phrase}", how often do you find the letter {letter}?]""",
        reasoning=f"""
        {draw.opening()} [Counting letters by feeling goes wrong easily, so I'll spell the words out one by
        one.
        |I go letter by letter, one word after the other.]

        {spelled}

        [Together: {" + ".join(map(str, counts))} = {total}.|The sum {" + ".join(map(str, counts))} is
        {total}.] {caution}

        [?The phrase has {total + rest} letters without spaces. Crossing out every {letter} leaves
        "{phrase.replace(letter, "")}", and that has {rest}. {total + rest} - {rest} = {total}.]""",
        answer=f"""
        [The letter {letter} occurs {plural(total, "time")}.
        |There are {total}, namely
        {listing([f'{count} in "{word}"' for word, count in zip(words, counts, strict=True) if count])}.]""",
    )


_SECRETS = (
    "harbour", "lantern", "meadow", "castle", "violin", "pepper", "orchard", "planet", "window", "garden",
    "rocket", "candle", "winter", "silver", "pocket", "breeze", "marble", "kitten", "forest", "button",
    "anchor", "summer", "copper", "donkey",
)  # fmt: skip


def shift_cipher(draw: Draw) -> Trace:
    """A word moved along the alphabet, letter by letter."""
    word, shift, coding = draw.one(*_SECRETS), draw.number(2, 9), draw.number(0, 1) == 1
    moved = "".join(chr((ord(letter) - 97 + shift) % 26 + 97) for letter in word)
    given, result = (word, moved) if coding else (moved, word)
    sign = "+" if coding else "-"
    verb, way = ("coded", "forwards") if coding else ("decoded", "backwards")
    steps, wrapped = [], []
    for letter, other in zip(given, result, strict=True):
        place = ord(letter) - 96
        target = place + shift if coding else place - shift
        if not 1 <= target <= 26:
            wrapped.append(letter)
            steps.append(
                f"{letter} is {place}, {place} {sign} {shift} = {target}, around to {ord(other) - 96}: {other}"
            )
        else:
            steps.append(f"{letter} is {place}, {place} {sign} {shift} = {target}: {other}")
    note = (
        f"For {listing(sorted(set(wrapped)))} the count left the alphabet, so I had to {'subtract' if coding else 'add'} 26."
        if wrapped
        else "None of the letters ran over the end of the alphabet."
    )
    return draw.trace(
        prompt=f"""
        [{
            f'Code the word "{given}" by moving each letter {shift} places forwards in the alphabet (after z comes a).'
            if coding
            else f'The word "{given}" was coded by moving each letter {shift} places forwards in the alphabet. '
            f"What was it before?"
        }
        |{
            f"In a secret script each letter is replaced by the one {shift} places later, and z is followed by a. Write "
            f'"{given}" in it.'
            if coding
            else f'A friend replaces each letter by the one {shift} places later (z is followed by a) and sends "{given}". What does '
            f"it say?"
        }]""",
        reasoning=f"""
        {draw.opening()} [I number the letters from a = 1 to z = 26. {
            "Coding" if coding else "Decoding"
        } means {sign}{shift}.
        |Each letter has to go {shift} places {way}. With a = 1, b = 2 and so on that is arithmetic.]

        {"; ".join(steps)}. {note}

        [Put together: {result}.|That reads "{result}".|The letters in a row give "{result}".]

        [?Going the other way, "{result}" {"coded" if not coding else "decoded"} again must give "{
            given
        }". The first letter
        {result[0]} moves {"back" if coding else "on"} by {shift} to {given[0]}, the last one, {
            result[-1]
        }, to
        {given[-1]}.]

        [|{
            "It doesn't look like a word, but a cipher shouldn't."
            if coding
            else "And it is a proper word, which would be a strange accident if a step were wrong."
        }]""",
        answer=f"""
        [The {verb} word is "{result}".|After the shift the word is "{result}".|The word "{given}" becomes
        {result} when each letter goes {shift} places {way}.]""",
    )


def to_binary(draw: Draw) -> Trace:
    """A number in base two, by halving and by powers."""
    number = draw.number(37, 250)
    binary = f"{number:b}"
    halves, value = [], number
    while value:
        halves.append(f"{value} = 2 × {value // 2} + {value % 2}")
        value //= 2
    powers = [2 ** (len(binary) - 1 - place) for place, digit in enumerate(binary) if digit == "1"]
    left, taken = number, []
    for power in powers:
        taken.append(f"{left} - {power} = {left - power}")
        left -= power
    ones = binary.count("1")
    by_halves = f"""I halve and keep the remainders: {"; ".join(halves)}. Read from the last to the first, the remainders are
    {binary}."""
    by_powers = f"""I take out the largest power of two each time: {"; ".join(taken)}. So {number} =
    {" + ".join(map(str, powers))}, and a 1 goes to each of these places: {binary}."""
    first, second = draw.order([by_halves, by_powers])
    return draw.trace(
        prompt=f"""
        [Write {number} in binary.|What is the decimal number {number} in base 2?
        |How does a computer write {number} with zeros and ones, and how many ones does it need?]""",
        reasoning=f"""
        {draw.opening()} [Binary means sums of powers of two: 1, 2, 4, 8, 16, 32, 64, 128.
        |The places of a binary number are worth 1, 2, 4, 8 and so on, from the right.] [Since 2^{
            len(binary) - 1
        } =
        {2 ** (len(binary) - 1)} is the largest power that fits into {number}, there will be {
            len(binary)
        } digits.
        |{number} lies between {2 ** (len(binary) - 1)} and {2 ** len(binary)}, so I expect {
            len(binary)
        } digits.]

        {first}

        [?{second}]

        [It has {plural(ones, "one")}, and the last digit is {binary[-1]} because {number} is {
            "odd" if number % 2 else "even"
        }.
        |There are {ones} ones among the {len(binary)} digits.]""",
        answer=f"""
        [{number} in binary is {binary}.|In base two it is {binary}, with {plural(ones, "one")}.|It is
        {binary} ({" + ".join(map(str, powers))}).]""",
    )


def middle_values(draw: Draw) -> Trace:
    """Median and mean of a short list."""
    count = draw.one(5, 6, 7, 8)
    values = draw.some(range(11, 99), count - 1)
    total = sum(values)
    values.append(
        draw.one(*[value for value in range(11, 99) if (total + value) % count == 0 and value not in values])
    )
    values, total = draw.order(values), sum(values)
    ranked, mean = sorted(values), sum(values) // count
    half = count // 2
    median = Fraction(ranked[half] + ranked[half - 1], 2) if count % 2 == 0 else Fraction(ranked[half])
    what = draw.one("the ages in a choir", "the lengths of some walks in minutes", "the points of a quiz team",
                    "the pages read on several days", "the heights of some seedlings in millimetres")  # fmt: skip
    middle = (
        f"The list has {count} entries, an even number, so two stand in the middle: {ranked[half - 1]} and {ranked[half]}. "
        f"Half of their sum is {decimal(median)}."
        if count % 2 == 0
        else f"With {count} entries the {ordinal(half + 1)} is the middle one, and that is {ranked[half]}."
    )
    relation = "equal to" if median == mean else "below" if median < mean else "above"
    gaps = [value - mean for value in values]
    return draw.trace(
        prompt=f"""
        [These are {what}: {", ".join(map(str, values))}. Find the median and the mean.
        |What are the mean and the median of {", ".join(map(str, values))} ({what})?]""",
        reasoning=f"""
        {draw.opening()} [The median needs a sorted list, the mean does not.
        |Two different middles: the median is about positions, the mean about the sum.]

        [Sorted: {", ".join(map(str, ranked))}.|In order they are {", ".join(map(str, ranked))}.] {middle}

        [The sum is {" + ".join(map(str, values))} = {total}, and {total} / {count} = {mean}.
        |For the mean I add everything up, which gives {total}, and divide by {count}: {mean}.]

        [?The distances from {mean} are {", ".join(f"{gap:+d}" for gap in gaps)}, and they cancel out to 0.]

        [The median is {relation} the mean here, {
            "so the list is well balanced"
            if relation == "equal to"
            else f"so the {'larger' if relation == 'below' else 'smaller'} values lie further out"
        }.|]""",
        answer=f"""
        [The median is {decimal(median)} and the mean is {mean}.|The mean is {mean}, and the median is
        {decimal(median)}.]""",
    )


TEMPLATES = (next_in_sequence, letter_count, shift_cipher, to_binary, middle_values)
