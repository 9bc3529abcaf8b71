"""Traces in French: shopping, weekdays, heads and legs, meeting on the way."""

from curation.demo.templates.draw import Draw, Trace

_NAMES = "Camille", "Louis", "Manon", "Hugo", "Chloé", "Antoine", "Juliette", "Mathieu", "Élise", "Bastien"
_DAYS = "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"
_GOODS = "cahiers", "crayons", "gâteaux", "fromages", "melons", "bouquets", "verres", "paniers"
_START = (
    "Je vais réfléchir étape par étape.", "Je veux d'abord bien comprendre la question.",
    "Je commence par mettre de l'ordre dans les données.", "Ce n'est pas difficile, mais il faut faire attention.",
    "Avant de calculer, je regarde ce que je sais déjà.",
)  # fmt: skip
_CHECK = "Je vérifie.", "Avant de répondre, je refais le calcul.", "Est-ce bien juste ? Je fais la preuve."


def change(draw: Draw) -> Trace:
    """Two kinds of goods, a note, the change."""
    name = draw.one(*_NAMES)
    first, second = draw.some(_GOODS, 2)
    a, b, each_a, each_b = (draw.number(2, 9) for _ in range(4))
    cost_a, cost_b = a * each_a, b * each_b
    total = cost_a + cost_b
    note = next(value for value in (20, 50, 100, 200) if value > total)
    return draw.trace(
        prompt=f"""
        [{name} achète {a} {first} à {each_a} euros pièce et {b} {second} à {each_b} euros pièce, puis paie
        avec un billet de {note} euros. Combien d'argent lui rend-on ?
        |Dans un magasin, les {first} coûtent {each_a} euros et les {second} coûtent {each_b} euros. {name}
        prend {a} {first} et {b} {second} et donne {note} euros. Quelle somme doit-on lui rendre ?]""",
        reasoning=f"""
        {draw.one(*_START)} [Il y a deux articles différents, je calcule donc chaque prix séparément avant de
        les additionner.
        |Pour savoir ce qu'on lui rend, je dois d'abord connaître le prix de tous les achats.]

        [Les {first} coûtent {a} × {each_a} = {cost_a} euros.|Pour les {first}, il faut payer {a} fois
        {each_a} euros, c'est-à-dire {cost_a} euros.] [Les {second} coûtent {b} × {each_b} = {cost_b} euros.|À
        cela s'ajoutent les {second}, qui valent {b} × {each_b} = {cost_b} euros.]

        [En tout, cela fait {cost_a} + {cost_b} = {total} euros. Comme {name} a donné {note} euros, il reste
        {note} - {total} = {note - total} euros.
        |La somme est de {total} euros, ce qui est moins que {note} euros, donc le billet suffit. La
        différence est de {note - total} euros.]

        {draw.one(*_CHECK)} Si j'ajoute les {note - total} euros rendus aux {total} euros dépensés, je
        retrouve bien les {note} euros [du billet.|qui ont été donnés.]""",
        answer=f"""
        [Les achats coûtent {total} euros, on rend donc {note - total} euros à {name}.
        |On lui rend {note - total} euros, car le tout coûte {total} euros.]""",
    )


def weekday(draw: Draw) -> Trace:
    """The weekday some days from now."""
    name, today, days = draw.one(*_NAMES), draw.number(0, 6), draw.number(20, 300)
    weeks, rest = divmod(days, 7)
    then = _DAYS[(today + rest) % 7]
    event = draw.one("les vacances commencent", "c'est l'anniversaire de sa sœur", "le cirque arrive en ville",
                     "sa classe part en voyage")  # fmt: skip
    return draw.trace(
        prompt=f"""
        [Aujourd'hui, nous sommes {_DAYS[today]}. {name} sait que dans {days} jours {event}. Quel jour de la
        semaine sera-ce ?
        |{name} attend avec impatience, car dans {days} jours {event}. Quel jour de la semaine est-ce, si
        aujourd'hui nous sommes {_DAYS[today]} ?]""",
        reasoning=f"""
        {
            draw.one(*_START)
        } [Les jours de la semaine se répètent tous les sept jours, donc seul compte le reste de la
        division de {days} par 7.
        |Je n'ai pas besoin de compter les jours un par un, parce que tous les sept jours on retrouve le même
        jour.]

        [Quand je divise {days} par 7, j'obtiens {weeks} et il reste {rest}, puisque 7 × {weeks} = {
            7 * weeks
        }.
        |Dans {days} jours il y a {weeks} semaines entières, c'est-à-dire {7 * weeks} jours, et le reste est {
            rest
        }.]

        {
            f"Comme il ne reste rien, ce sera encore un {then}."
            if rest == 0
            else f"Les semaines entières ne changent rien. À partir du {_DAYS[today]}, j'avance de {rest} et j'arrive au {then}."
        }

        {draw.one(*_CHECK)} {
            f"Le nombre {days} est un multiple de 7, tout est donc en ordre."
            if rest == 0
            else f"Si je recule de {rest} à partir du {then}, je retrouve le {_DAYS[today]}, comme il se doit."
        }""",
        answer=f"""
        [Dans {days} jours, nous serons {then}.|Ce sera un {then}, car le reste de la division de {days} par 7
        est {rest}.]""",
    )


def heads_and_legs(draw: Draw) -> Trace:
    """Two kinds of animals, heads and legs."""
    a, b = draw.number(3, 25), draw.number(3, 25)
    heads, feet = a + b, 4 * a + 2 * b
    large, small = draw.one(
        ("lapins", "canards"), ("moutons", "dindons"), ("chevaux", "pigeons"), ("cochons", "coqs")
    )
    return draw.trace(
        prompt=f"""
        [Dans une ferme, il y a des {large} et des {small}. On compte {heads} têtes et {feet} pattes en tout.
        Combien y a-t-il d'animaux de chaque sorte ?
        |Des {large} et des {small} ont ensemble {heads} têtes et {feet} pattes. Combien y a-t-il de {large}
        et combien de {small} ?]""",
        reasoning=f"""
        {draw.one(*_START)} [Chaque animal a une tête, il y a donc {heads} animaux. Les {large} ont quatre
        pattes, tandis que les {small} n'en ont que deux.
        |Les têtes me disent combien il y a d'animaux, et les pattes me permettent de séparer les deux
        sortes.]

        [Supposons que ce soient tous des {small}. Il y aurait alors {heads} × 2 = {2 * heads} pattes.|Si tous
        les animaux n'avaient que deux pattes, il y en aurait {2 * heads}.] Or on en compte {feet}, soit
        {feet - 2 * heads} de plus.

        [Chaque fois que je remplace un animal à deux pattes par un animal à quatre pattes, j'ajoute deux
        pattes. Il y a donc {feet - 2 * heads} ÷ 2 = {a} {large}, et le reste, {heads} - {a} = {b}, ce sont
        des {small}.
        |Chacun des {large} apporte deux pattes supplémentaires, ils sont donc {feet - 2 * heads} ÷ 2 = {a}.
        Il reste {b} {small}.]

        {draw.one(*_CHECK)} {a} × 4 + {b} × 2 = {4 * a} + {2 * b} = {feet}, [ce qui est bien le nombre de
        l'énoncé.|et de plus {a} + {b} = {heads}, tout est donc juste.]""",
        answer=f"""
        [Il y a {a} {large} et {b} {small}.|Dans la ferme vivent {a} {large} et {b} {small}, qui ont ensemble
        {feet} pattes.]""",
    )


def meeting(draw: Draw) -> Trace:
    """Two people ride towards each other."""
    first, second = draw.one(*_NAMES[::2]), draw.one(*_NAMES[1::2])  # a woman and a man: the plural is "ils"
    slow, fast, time = draw.number(10, 15), draw.number(16, 24), draw.number(2, 6)
    distance = (slow + fast) * time
    return draw.trace(
        prompt=f"""
        [Deux villages sont séparés de {distance} kilomètres. {first} part de l'un à vélo, à {slow} kilomètres
        à l'heure, et au même moment {second} part de l'autre, à {fast} kilomètres à l'heure. Au bout de
        combien de temps vont-ils se rencontrer ?
        |{first} et {second} habitent à {distance} kilomètres l'un de l'autre. Ils partent en même temps à
        vélo, l'un vers l'autre, à {slow} et à {fast} kilomètres à l'heure. Après combien d'heures se
        rencontrent-ils ?]""",
        reasoning=f"""
        {draw.one(*_START)} [Comme ils roulent l'un vers l'autre, la distance entre eux diminue avec les deux
        vitesses à la fois.
        |L'important n'est pas de savoir où se trouve chacun, mais à quelle vitesse la distance entre eux
        diminue.]

        [Chaque heure, ils se rapprochent de {slow} + {fast} = {slow + fast} kilomètres.|La somme des vitesses
        est de {slow} + {fast} = {slow + fast} kilomètres à l'heure.] [Au départ, {distance} kilomètres les
        séparent, il leur faut donc {distance} ÷ {slow + fast} = {time} heures.|En divisant {distance} par
        {slow + fast}, j'obtiens {time} heures.]

        {draw.one(*_CHECK)} En {time} heures, {first} parcourt {slow * time} kilomètres et {second} en
        parcourt {fast * time}, ce qui fait ensemble {distance} kilomètres, [c'est-à-dire toute la
        distance.|comme le dit l'énoncé.]""",
        answer=f"""
        [Ils se rencontrent au bout de {time} heures.|Il leur faut {time} heures : {first} parcourt
        {slow * time} kilomètres et {second} en parcourt {fast * time}.]""",
    )


TEMPLATES = (change, weekday, heads_and_legs, meeting)
