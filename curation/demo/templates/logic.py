"""Logic: knights and knaves, syllogisms, conditionals."""

from collections.abc import Callable
from itertools import product

from curation.demo.templates.draw import Draw, Trace
from curation.demo.templates.wording import capital, listing

World = dict[str, bool]
Statement = tuple[str, Callable[[World], bool]]

_ISLANDS = (
    ("On an island live knights, who always tell the truth, and knaves, who always lie", "a knight", "a knave"),
    ("In a workshop blue robots always tell the truth and red robots always lie", "a blue robot", "a red robot"),
    ("In a village owls only say true things and foxes only say false things", "an owl", "a fox"),
    ("In a game some players are honest and never lie, the others are tricksters and always lie",
     "an honest player", "a trickster"),
)  # fmt: skip


def knights_and_knaves(draw: Draw) -> Trace:
    """Two or three speakers, each of whom always or never tells the truth."""
    names = [person.name for person in draw.people(draw.number(2, 3))]
    scene, a_good, a_bad = draw.one(*_ISLANDS)
    worlds: list[World] = [
        dict(zip(names, kinds, strict=True)) for kinds in product((True, False), repeat=len(names))
    ]
    truth = draw.one(*worlds)
    fitting: list[World] = []
    said: dict[str, Statement] = {}
    while fitting != [truth]:
        for name in names:
            options = _statements(name, names, a_good, a_bad)
            said[name] = draw.one(*[option for option in options if option[1](truth) == truth[name]])
        fitting = [world for world in worlds if all(said[name][1](world) == world[name] for name in names)]
    told = " ".join(f'{name} says: "{said[name][0]}"' for name in names)
    cases = []
    for world in worlds:
        liar = next((name for name in names if said[name][1](world) != world[name]), None)
        who = listing([f"{name} {a_good if world[name] else a_bad}" for name in names])
        if liar is None:
            verdict = "every statement is as it should be. This works."
        elif world[liar]:
            verdict = f"what {liar} says would be false, but {a_good} does not lie. Out."
        else:
            verdict = f"what {liar} says would be true, which {a_bad} never says. Out."
        cases.append(f"{who}: {verdict}")
    result = listing([f"{name} is {a_good if truth[name] else a_bad}" for name in names])
    speaker = draw.one(*names)
    return draw.trace(
        prompt=f"""
        {scene}. You meet {listing(names)}. {told} [Who is what?|What kind is each of them?|Can you tell who
        is {a_good} and who is {a_bad}?]""",
        reasoning=f"""
        {draw.opening()} [Each of them is one or the other, so there are {len(worlds)} cases. A case is
        possible only if {a_good} has said something true and {a_bad} something false.
        |I can't trust anybody yet, so I go through all {len(worlds)} combinations and look for a
        contradiction in each.]

        {" ".join(cases)}

        [Only one case survives: {result}.|So there is exactly one way for it to be: {result}.]

        [?Take {speaker}: "{said[speaker][0]}" is {"true" if truth[speaker] else "false"} in that case, just
        as it should be for {a_good if truth[speaker] else a_bad}.]""",
        answer=f"""
        [{result}.|There is one solution: {result}.]""",
    )


def _statements(speaker: str, names: list[str], a_good: str, a_bad: str) -> list[Statement]:
    """What somebody may say about the others, and when it is true."""
    others = [name for name in names if name != speaker]
    everybody = "both of us" if len(names) == 2 else "all three of us"
    group = "the two of us" if len(names) == 2 else "the three of us"
    options: list[Statement] = [
        (f"At least one of {group} is {a_bad}.", lambda world: not all(world.values())),
        (f"Exactly one of {group} is {a_good}.", lambda world: sum(world.values()) == 1),
        (
            f"We are not {everybody.replace(' of us', '')} of the same kind.",
            lambda world: len(set(world.values())) == 2,
        ),
    ]
    return options + [said for other in others for said in _statements_about(other, speaker, a_good, a_bad)]


def _statements_about(other: str, speaker: str, a_good: str, a_bad: str) -> list[Statement]:
    return [
        (f"{other} is {a_bad}.", lambda world: not world[other]),
        (f"{other} and I are of the same kind.", lambda world: world[other] == world[speaker]),
        (f"I am {a_bad}, or {other} is {a_good}.", lambda world: not world[speaker] or world[other]),
    ]


_TERMS = (
    (
        "bakers",
        "drummers",
        "gardeners",
        "sailors",
        "painters",
        "tailors",
        "nurses",
        "carpenters",
        "bus drivers",
    ),
    (
        "early risers",
        "chess players",
        "tea drinkers",
        "cyclists",
        "choir members",
        "stamp collectors",
        "hikers",
    ),
    ("owners of a red hat", "good swimmers", "readers of poetry", "dog lovers", "left-handers", "dancers"),
)
_FORMS = (
    # first premise, second premise, question, does it follow, why (two wordings), the picture or the counterexample
    ("All {s} are {m}", "all {m} are {p}", "all {s} are {p}", True,
     "Take any of the {s}. They belong to the {m}, and those belong to the {p} without exception. So this one does, too.",
     "The circle of the {s} lies inside that of the {m}, and that one inside the circle of the {p}."),
    ("All {s} are {m}", "no {m} are {p}", "no {s} are {p}", True,
     "Suppose there was one of the {s} among the {p}. It would also be one of the {m}, and of those none is among the {p}. That is impossible.",
     "The {s} lie wholly inside the {m}, and the {m} don't touch the {p}. So the {s} can't touch them either."),
    ("Some {s} are {m}", "all {m} are {p}", "some {s} are {p}", True,
     "Pick one of those {s} who are among the {m}. Since all {m} are {p}, this one is among the {p}.",
     "The circles of the {s} and the {m} overlap, and all of the overlap lies inside the {p}."),
    ("No {s} are {m}", "all {p} are {m}", "no {s} are {p}", True,
     "Anybody who belonged to both the {s} and the {p} would be among the {m}, as all {p} are. But no {s} are. So there is no such person.",
     "The {p} lie inside the circle of the {m}, and the {s} stay outside of that circle altogether."),
    ("All {s} are {m}", "all {p} are {m}", "some {s} must be {p}", False,
     "Both groups lie inside the {m}, but nothing says that they meet there.",
     "{a} and {b} could be the only people around, one of the {s} and one of the {p}, both among the {m}. The premises hold, and nobody is both."),
    ("Some {s} are {m}", "some {m} are {p}", "some {s} must be {p}", False,
     "The {m} who are {s} and the {m} who are {p} may be different people.",
     "Let {a} be one of the {s} and the {m}, and {b} one of the {m} and the {p}, with nobody else there. Both premises are true, yet nobody belongs to the {s} and the {p}."),
    ("All {s} are {m}", "some {m} are {p}", "some {s} must be {p}", False,
     "The {m} who are {p} need not be found among the {s}, because the {m} can be a larger group.",
     "Say {a} is the only one of the {s}, and also one of the {m}. {b} is one of the {m} and the {p}. Everything said is true, but {a} is not among the {p}."),
    ("All {s} are {m}", "{a} is one of the {m}", "{a} must be one of the {s}", False,
     "The first sentence leads from the {s} to the {m}, not back.",
     "Perhaps there are many {m} who have nothing to do with the {s}, and {a} is one of those. Nothing said rules it out."),
)  # fmt: skip


def syllogism(draw: Draw) -> Trace:
    """Two premises about three groups, and whether a third sentence follows."""
    s, m, p = (draw.one(*terms) for terms in _TERMS)
    a, b = (person.name for person in draw.people(2))
    *premises, follows, why, picture = draw.one(*_FORMS)
    first, second, claim, why, picture = (
        part.format(s=s, m=m, p=p, a=a, b=b) for part in (*premises, why, picture)
    )
    if follows:
        verdict, lead, reply = (
            "it follows",
            "A drawing helps.",
            f"Yes. From the two premises it follows that {claim}.",
        )
        doubt = """Could I invent a world where both premises hold and the claim fails? Whoever made the claim fail there would
        also break one of the premises. So no."""
    else:
        verdict, reply = "it does not follow", f"No. Both premises can be true without it. {capital(why)}"
        lead = """I look for a counterexample: a little world in which both premises are true and the claim is false."""
        perhaps = claim.replace("some ", "some of the ").replace(" must be", " may be")
        doubt = f"""Of course {perhaps}. But possible is not certain, and the question is about certainty."""
    return draw.trace(
        prompt=f"""
        [{first}, and {second}. Does it follow that {claim}?
        |Suppose this is true of a town: {first[0].lower() + first[1:]}, and {second}. Can we conclude that
        {claim}?
        |Two things are known: {first}; {second}. Is it certain, then, that {claim}?]""",
        reasoning=f"""
        {draw.opening()} [I should forget what I believe about {s} in real life and use only what is stated.
        |What matters is the form of the two sentences and not whether they sound likely.] [Premise one:
        {first}. Premise two: {second}. The claim: {claim}.|The claim to test is that {claim}.]

        [{why}|Do the premises force it? {why}]

        [{picture}|{lead} {picture}]

        [?{doubt}]

        [So {verdict}.|Therefore {verdict}.|My conclusion: {verdict}.]""",
        answer=f"[{'Yes' if follows else 'No'}, {verdict} that {claim}.|{reply}]",
    )


_RULES = (
    # if p, then q; p is not so; q is not so; another reason for q
    ("it rains", "the market is closed", "it does not rain", "the market is open", "a holiday"),
    ("the alarm rings", "the dog barks", "the alarm does not ring", "the dog is quiet", "a cat on the wall"),
    (
        "the bakery is open",
        "the lamp is lit",
        "the bakery is closed",
        "the lamp is dark",
        "somebody cleaning",
    ),
    (
        "the train is late",
        "the café is full",
        "the train is on time",
        "the café is not full",
        "a football match",
    ),
    (
        "the wind is strong",
        "the ferry stays in port",
        "the wind is weak",
        "the ferry sails",
        "an engine that failed",
    ),
    ("the oven is on", "the kitchen is warm", "the oven is off", "the kitchen is cold", "a sunny day"),
    (
        "the bell rings",
        "the children are in class",
        "the bell is silent",
        "the children are outside",
        "a broken bell",
    ),
    ("the pump runs", "the tank is full", "the pump does not run", "the tank is not full", "a night of rain"),
    (
        "the library is closed",
        "the gate is locked",
        "the library is open",
        "the gate is unlocked",
        "a forgetful caretaker",
    ),
)


def conditional(draw: Draw) -> Trace:
    """If p, then q; something is observed; what can be concluded."""
    p, q, not_p, not_q, cause = draw.one(*_RULES)
    [person] = draw.people(1)
    form = draw.number(0, 2)
    seen, claim, follows = ((not_q, not_p, True), (q, p, False), (not_p, not_q, False))[form]
    why = (
        f"Suppose that {p}, after all. Then the rule says that {q}. But {not_q}, so the assumption is wrong, and {not_p}.",
        f"The rule only says what happens if {p}. It does not say that this is the only way to get there: with {cause}, say, it can happen that {q} although {not_p}.",
        f"The rule speaks about the case that {p} and is silent about the other one. Think of {cause}: then it may be that {q} even though {not_p}.",
    )[form]
    if follows:
        name = (
            "That is the contrapositive, and it is always valid: a rule and its contrapositive say the same."
        )
        cases = "With the second part false, the first one has to be false as well."
        doubt = f"Is there any allowed case in which {seen} and yet {p}? No, exactly that is forbidden."
        verdict, reply = "sound", f"Yes: since {seen}, it is certain that {claim}."
        because = "it is the contrapositive of the rule"
    else:
        mistake = "affirming the consequent" if form == 1 else "denying the antecedent"
        name = f"This mistake even has a name, {mistake}. It treats the arrow as if it pointed both ways."
        cases = "The observation leaves two of the allowed cases open, so nothing is certain."
        doubt = f"Is there an allowed case in which {seen} and the claim is wrong? Yes, the one I described. One is enough."
        verdict, reply = "not sound", f"No. That {seen} does not make it certain that {claim}."
        because = f"it is a case of {mistake}, and {cause} could be behind it"
    return draw.trace(
        prompt=f"""
        [Rule: if {p}, then {q}. {person.name} notices that {seen}. Is it certain that {claim}?
        |It is always true that if {p}, then {q}. Right now {seen}. {person.name} concludes that {claim}. Is
        that sound?
        |Given: whenever {p}, {q}. Observed: {seen}. May {person.name} infer that {claim}?]""",
        reasoning=f"""
        {draw.opening()} [The rule goes in one direction: from "{p}" to "{q}".
        |I write the rule as an arrow: "{p}" → "{q}".] [The observation is "{seen}", and the claim is
        "{claim}".
        |What is observed: {seen}. What is claimed: {claim}.]

        {why}

        [{name}
        |There are four cases: both parts true, both false, only the second true, only the first true. The
        last is the only one that the rule forbids. {cases}]

        [?{doubt}]

        [So the answer is {"yes" if follows else "no"}.|I conclude that the inference is {verdict}.]""",
        answer=f"[{reply}|{'Yes' if follows else 'No'}, the inference is {verdict}, because {because}.]",
    )


TEMPLATES = (knights_and_knaves, syllogism, conditional)
