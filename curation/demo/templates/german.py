"""Traces in German: shopping, weekdays, heads and legs, meeting on the way."""

from curation.demo.templates.draw import Draw, Trace

_NAMES = "Anna", "Lukas", "Katrin", "Moritz", "Greta", "Jan", "Sabine", "Florian", "Heike", "Stefan"
_DAYS = "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"
_GOODS = "Hefte", "Kissen", "Postkarten", "Teller", "Kerzen", "Bücher", "Blumentöpfe", "Honiggläser"
_START = (
    "Ich gehe das Schritt für Schritt durch.", "Zuerst möchte ich genau verstehen, was gefragt ist.",
    "Ich ordne erst einmal, was gegeben ist.", "Das sieht nicht schwer aus, aber ich passe lieber auf.",
    "Bevor ich rechne, schaue ich, was ich schon weiß.",
)  # fmt: skip
_CHECK = (
    "Ich mache die Probe.",
    "Bevor ich antworte, prüfe ich das noch einmal.",
    "Stimmt das? Ich rechne nach.",
)


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
        [{name} kauft {a} {first} zu je {each_a} Euro und {b} {second} zu je {each_b} Euro und bezahlt mit
        einem {note}-Euro-Schein. Wie viel Geld gibt es zurück?
        |In einem Laden kosten {first} {each_a} Euro und {second} {each_b} Euro das Stück. {name} nimmt {a}
        {first} und {b} {second} mit und legt {note} Euro auf den Tisch. Wie groß ist das Wechselgeld?]""",
        reasoning=f"""
        {draw.one(*_START)} [Es sind zwei verschiedene Waren, also rechne ich beide Preise einzeln aus und
        zähle sie dann zusammen.
        |Um das Wechselgeld zu bestimmen, muss ich zuerst wissen, was der ganze Einkauf kostet.]

        [Die {first} kosten {a} × {each_a} = {cost_a} Euro.|Für die {first} zahlt {name} {a} mal {each_a}
        Euro, das sind {cost_a} Euro.] [Die {second} kosten {b} × {each_b} = {cost_b} Euro.|Dazu kommen die
        {second} mit {b} × {each_b} = {cost_b} Euro.]

        [Zusammen sind das {cost_a} + {cost_b} = {total} Euro. Bezahlt wurden {note} Euro, also bleiben {note}
        - {total} = {note - total} Euro übrig.
        |Die Summe beträgt {total} Euro. Das ist weniger als {note} Euro, der Schein reicht also. Der
        Unterschied ist {note - total} Euro.]

        {draw.one(*_CHECK)} Wenn ich die {note - total} Euro wieder zu den {total} Euro lege, habe ich {note}
        Euro,
        [genau so viel, wie bezahlt wurde.|und das ist der Wert des Scheins.]""",
        answer=f"""
        [Der Einkauf kostet {total} Euro, also bekommt {name} {note - total} Euro zurück.
        |Es gibt {note - total} Euro Wechselgeld, denn zusammen kosten die Sachen {total} Euro.]""",
    )


def weekday(draw: Draw) -> Trace:
    """The weekday some days from now."""
    name, today, days = draw.one(*_NAMES), draw.number(0, 6), draw.number(20, 300)
    weeks, rest = divmod(days, 7)
    then = _DAYS[(today + rest) % 7]
    event = draw.one(
        "beginnen die Ferien", "hat die Oma Geburtstag", "kommt der Zirkus", "findet das Schulfest statt"
    )
    return draw.trace(
        prompt=f"""
        [Heute ist {_DAYS[today]}. {name} weiß: In {days} Tagen {event}. Welcher Wochentag ist das?
        |{name} freut sich, denn in {days} Tagen {event}. Auf welchen Wochentag fällt das, wenn heute
        {_DAYS[today]} ist?]""",
        reasoning=f"""
        {
            draw.one(*_START)
        } [Die Wochentage wiederholen sich alle sieben Tage, deshalb zählt nur der Rest, der beim Teilen
        von {days} durch 7 bleibt.
        |Ich muss nicht jeden Tag einzeln abzählen, denn nach sieben Tagen ist immer wieder derselbe
        Wochentag.]

        [{days} geteilt durch 7 ist {weeks} mit dem Rest {rest}, weil 7 × {weeks} = {7 * weeks} ist.
        |In {days} Tagen stecken {weeks} volle Wochen, das sind {7 * weeks} Tage, und der Rest ist {rest}.]

        {
            f"Es bleibt nichts übrig, also ist es wieder ein {then}."
            if rest == 0
            else f"Die vollen Wochen ändern nichts. Von {_DAYS[today]} aus zähle ich um {rest} weiter und lande beim {then}."
        }

        {draw.one(*_CHECK)} {
            f"Die Zahl {days} ist durch 7 teilbar, das passt also."
            if rest == 0
            else f"Gehe ich vom {then} um {rest} zurück, dann bin ich wieder beim {_DAYS[today]}, so wie es sein soll."
        }""",
        answer=f"""
        [In {days} Tagen ist {then}.|Das ist ein {then}, denn {days} lässt beim Teilen durch 7 den Rest
        {rest}.]""",
    )


def heads_and_legs(draw: Draw) -> Trace:
    """Two kinds of animals, heads and legs."""
    a, b = draw.number(3, 25), draw.number(3, 25)
    heads, feet = a + b, 4 * a + 2 * b
    large, small = draw.one(
        ("Kaninchen", "Hühner"), ("Schafe", "Gänse"), ("Ziegen", "Enten"), ("Pferde", "Tauben")
    )
    return draw.trace(
        prompt=f"""
        [Auf einem Hof leben {large} und {small}. Zusammen haben sie {heads} Köpfe und {feet} Beine. Wie viele
        Tiere sind es von jeder Art?
        |{large} und {small} stehen auf einer Wiese. Jemand zählt {heads} Köpfe und {feet} Beine. Wie viele
        {large} und wie viele {small} sind es?]""",
        reasoning=f"""
        {draw.one(*_START)} [Jedes Tier hat einen Kopf, also sind es {heads} Tiere. Die {large} haben vier
        Beine, die {small} nur zwei.
        |Die Köpfe sagen mir, wie viele Tiere es sind, und mit den Beinen kann ich die beiden Arten trennen.]

        [Angenommen, es wären nur {small}. Dann gäbe es {heads} × 2 = {2 * heads} Beine.|Hätten alle Tiere nur
        zwei Beine, dann wären es {2 * heads} Beine.] Es sind aber {feet}, also {feet - 2 * heads} mehr.

        [Jedes Mal, wenn ich ein zweibeiniges Tier gegen ein vierbeiniges tausche, kommen zwei Beine dazu.
        Also sind es {feet - 2 * heads} ÷ 2 = {a} {large}, und der Rest, {heads} - {a} = {b}, sind {small}.
        |Von den {large} bringt jedes Tier zwei Beine zusätzlich mit, also gibt es {feet - 2 * heads} ÷ 2 =
        {a} davon. Dann bleiben noch {b} {small}.]

        {draw.one(*_CHECK)} {a} × 4 + {b} × 2 = {4 * a} + {2 * b} = {feet}, [und das ist die Zahl aus der
        Aufgabe.|und {a} + {b} = {heads}, es stimmt also beides.]""",
        answer=f"""
        [Es sind {a} {large} und {b} {small}.|Auf dem Hof gibt es {a} {large} und {b} {small}, zusammen mit
        {feet} Beinen.]""",
    )


def meeting(draw: Draw) -> Trace:
    """Two people ride towards each other."""
    first, second = draw.some(_NAMES, 2)
    slow, fast, time = draw.number(10, 15), draw.number(16, 24), draw.number(2, 6)
    distance = (slow + fast) * time
    return draw.trace(
        prompt=f"""
        [Zwei Dörfer liegen {distance} Kilometer auseinander. {first} fährt in dem einen mit dem Fahrrad los
        und schafft {slow} Kilometer in der Stunde, {second} startet gleichzeitig im anderen mit {fast}
        Kilometern in der Stunde. Wann treffen sie sich?
        |{first} und {second} wohnen {distance} Kilometer voneinander entfernt und fahren sich mit dem Rad
        entgegen, mit {slow} und {fast} Kilometern in der Stunde. Nach wie vielen Stunden begegnen sie
        sich?]""",
        reasoning=f"""
        {draw.one(*_START)} [Weil die beiden aufeinander zufahren, wird der Abstand mit beiden
        Geschwindigkeiten zugleich kleiner.
        |Entscheidend ist nicht, wo jeder einzelne gerade ist, sondern wie schnell der Abstand zwischen ihnen
        schrumpft.]

        [In jeder Stunde kommen sie sich um {slow} + {fast} = {slow + fast} Kilometer näher.|Zusammen schaffen
        sie {slow} + {fast} = {slow + fast} Kilometer in der Stunde.] [Am Anfang sind es {distance} Kilometer,
        also brauchen sie {distance} ÷ {slow + fast} = {time} Stunden.|Ich teile {distance} durch
        {slow + fast} und erhalte {time} Stunden.]

        {draw.one(*_CHECK)} In {time} Stunden fährt {first} {slow * time} Kilometer und {second} {fast * time}
        Kilometer. Das sind zusammen {distance} Kilometer, [also die ganze Strecke.|genau wie in der
        Aufgabe.]""",
        answer=f"""
        [Sie treffen sich nach {time} Stunden.|Nach {time} Stunden begegnen sie sich: {first} ist dann
        {slow * time} Kilometer gefahren und {second} {fast * time}.]""",
    )


TEMPLATES = (change, weekday, heads_and_legs, meeting)
