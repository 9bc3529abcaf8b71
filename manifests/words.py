"""How values stand in the text that people read: short, and cut where data decides their length. Pure."""

SHORT_ID = 12
LONGEST_VALUE = 80  # characters of a value that comes from data


def cut(text: str, most: int = LONGEST_VALUE) -> str:
    """At most `most` characters of a text, the last of them … where it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def count(number: int, one: str, many: str = "") -> str:
    """A number and its noun: `1 row`, `2,000 rows`. `many` is the plural where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
