"""Traces in Spanish: shopping, weekdays, heads and legs, meeting on the way."""

from curation.demo.templates.draw import Draw, Trace

_NAMES = "Marta", "Luis", "Carmen", "Pablo", "Lucía", "Diego", "Inés", "Javier", "Pilar", "Andrés"
_DAYS = "lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"
_GOODS = "cuadernos", "lápices", "bocadillos", "helados", "melones", "quesos", "platos", "vasos"
_START = (
    "Vamos a pensarlo paso a paso.", "Primero quiero entender bien lo que se pregunta.",
    "Empiezo por ordenar los datos del problema.", "No parece difícil, pero hay que ir con cuidado.",
    "Antes de calcular nada, miro qué es lo que sé.",
)  # fmt: skip
_CHECK = (
    "Lo compruebo.",
    "Antes de responder, voy a revisarlo.",
    "¿Será correcto? Hago la prueba.",
    "Repaso la cuenta.",
)


def _days(count: int) -> str:
    return "1 día" if count == 1 else f"{count} días"


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
        [{name} compra {a} {first} a {each_a} euros cada uno y {b} {second} a {each_b} euros cada uno. Paga
        con un billete de {note} euros. ¿Cuánto dinero le devuelven?
        |En una tienda los {first} cuestan {each_a} euros la unidad y los {second} cuestan {each_b} euros.
        {name} se lleva {a} {first} y {b} {second} y entrega {note} euros. ¿Qué cambio recibe?]""",
        reasoning=f"""
        {draw.one(*_START)} [Son dos productos distintos, así que calculo cada precio por separado y luego los
        sumo.
        |Para saber cuánto le devuelven, primero necesito saber cuánto ha gastado en total.]

        [Los {first} cuestan {a} × {each_a} = {cost_a} euros.|Por los {first} paga {a} veces {each_a}, es
        decir, {cost_a} euros.] [Los {second} cuestan {b} × {each_b} = {cost_b} euros.|A eso hay que añadir
        los {second}, que valen {b} × {each_b} = {cost_b} euros.]

        [En total son {cost_a} + {cost_b} = {total} euros. Como ha entregado {note} euros, le quedan {note} -
        {total} = {note - total} euros.
        |La suma es {total} euros, que es menos que {note}, de modo que el dinero alcanza. La diferencia entre
        {note} y {total} es {note - total}.]

        {draw.one(*_CHECK)} Si sumo los {note - total} euros del cambio a los {total} euros gastados, vuelvo a
        tener {note} euros, [así que la cuenta está bien.|justo lo que había pagado.]""",
        answer=f"""
        [La compra cuesta {total} euros, por lo que {name} recibe {note - total} euros de cambio.
        |Le devuelven {note - total} euros, porque ha gastado {total} euros en total.]""",
    )


def weekday(draw: Draw) -> Trace:
    """The weekday some days from now."""
    name, today, days = draw.one(*_NAMES), draw.number(0, 6), draw.number(20, 300)
    weeks, rest = divmod(days, 7)
    then = _DAYS[(today + rest) % 7]
    event = draw.one(
        "empiezan las vacaciones", "es el cumpleaños de su madre", "llega el circo", "tiene un examen"
    )
    return draw.trace(
        prompt=f"""
        [Hoy es {_DAYS[today]}. {name} sabe que dentro de {days} días {event}. ¿Qué día de la semana será?
        |Si hoy es {_DAYS[today]}, ¿qué día de la semana será dentro de {days} días? {name} lo pregunta porque
        ese día {event}.]""",
        reasoning=f"""
        {
            draw.one(*_START)
        } [Los días de la semana se repiten cada siete días, por eso solo importa el resto de dividir
        {days} entre 7.
        |No hace falta contar los días uno por uno, porque cada siete días volvemos al mismo día de la
        semana.]

        [Al dividir {days} entre 7 obtengo {weeks} y sobran {rest}, ya que 7 × {weeks} = {7 * weeks}.
        |En {days} días caben {weeks} semanas completas, que son {7 * weeks} días, y el resto es {rest}.]

        {
            f"Como no sobra ningún día, el resultado es otra vez {then}."
            if rest == 0
            else f"Las semanas enteras no cambian nada. Avanzo {_days(rest)} a partir del {_DAYS[today]} y llego al {then}."
        }

        {draw.one(*_CHECK)} {
            f"El número {days} es múltiplo de 7, así que todo encaja."
            if rest == 0
            else f"Si desde el {then} retrocedo {_days(rest)}, vuelvo al {_DAYS[today]}, como debe ser."
        }""",
        answer=f"""
        [Dentro de {days} días será {then}.|Será {then}, porque al dividir {days} entre 7 el resto es
        {rest}.]""",
    )


def heads_and_legs(draw: Draw) -> Trace:
    """Two kinds of animals, heads and legs."""
    a, b = draw.number(3, 25), draw.number(3, 25)
    heads, feet = a + b, 4 * a + 2 * b
    large, small = draw.one(
        ("conejos", "patos"), ("cerdos", "pavos"), ("caballos", "gansos"), ("perros", "loros")
    )
    return draw.trace(
        prompt=f"""
        [En una granja hay {large} y {small}. En total se cuentan {heads} cabezas y {feet} patas. ¿Cuántos
        animales hay de cada clase?
        |Entre {large} y {small} suman {heads} cabezas y {feet} patas. ¿Cuántos {large} y cuántos {small}
        hay?]""",
        reasoning=f"""
        {draw.one(*_START)} [Cada animal tiene una cabeza, de modo que hay {heads} animales. Los {large}
        tienen cuatro patas y los {small} tienen dos.
        |Las cabezas me dicen cuántos animales hay, y las patas me ayudan a separarlos en dos grupos.]

        [Supongamos que todos fueran {small}. Entonces habría {heads} × 2 = {2 * heads} patas.|Si no hubiera
        ningún animal de cuatro patas, tendría solamente {2 * heads} patas.] Pero hay {feet}, es decir,
        {feet - 2 * heads} más.

        [Cada vez que cambio uno de los {small} por uno de los {large}, aparecen dos patas más. Por eso hay
        {feet - 2 * heads} ÷ 2 = {a} {large}, y el resto, {heads} - {a} = {b}, son {small}.
        |Cada uno de los {large} aporta dos patas de más, así que son {feet - 2 * heads} ÷ 2 = {a}. Quedan {b}
        {small}.]

        {draw.one(*_CHECK)} {a} × 4 + {b} × 2 = {4 * a} + {2 * b} = {feet}, [que es justo el número de patas
        del enunciado.|y además {a} + {b} = {heads}, como tenía que ser.]""",
        answer=f"""
        [Hay {a} {large} y {b} {small}.|En la granja viven {a} {large} y {b} {small}, que juntos tienen {feet}
        patas.]""",
    )


def meeting(draw: Draw) -> Trace:
    """Two people ride towards each other."""
    first, second = draw.some(_NAMES, 2)
    slow, fast, time = draw.number(10, 15), draw.number(16, 24), draw.number(2, 6)
    distance = (slow + fast) * time
    return draw.trace(
        prompt=f"""
        [Dos pueblos están a {distance} kilómetros. {first} sale en bicicleta de uno de ellos a {slow}
        kilómetros por hora, y al mismo tiempo {second} sale del otro a {fast} kilómetros por hora. ¿Cuánto
        tardan en encontrarse?
        |{first} y {second} viven a {distance} kilómetros de distancia. Salen a la vez en bicicleta, uno hacia
        el otro, a {slow} y a {fast} kilómetros por hora. ¿Después de cuántas horas se encuentran?]""",
        reasoning=f"""
        {draw.one(*_START)} [Como van uno hacia el otro, la distancia que los separa se hace más corta con las
        dos velocidades a la vez.
        |Lo importante no es dónde está cada uno, sino lo deprisa que se reduce el espacio entre los dos.]

        [Cada hora se acercan {slow} + {fast} = {slow + fast} kilómetros.|La suma de las velocidades es {slow}
        + {fast} = {slow + fast} kilómetros por hora.] [Al principio los separan {distance} kilómetros, así
        que necesitan {distance} ÷ {slow + fast} = {time} horas.|Si divido {distance} entre {slow + fast},
        obtengo {time} horas.]

        {draw.one(*_CHECK)} En {time} horas {first} recorre {slow * time} kilómetros y {second} recorre
        {fast * time}, que juntos son {distance} kilómetros, [toda la distancia entre los dos.|exactamente lo
        que dice el problema.]""",
        answer=f"""
        [Se encuentran después de {time} horas.|Tardan {time} horas: {first} recorre {slow * time} kilómetros
        y {second}, {fast * time}.]""",
    )


TEMPLATES = (change, weekday, heads_and_legs, meeting)
