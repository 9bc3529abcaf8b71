"""Where a run comes from: its ids, its settings, what it ran with, and the runs before it. Pure."""

from collections.abc import Sequence

from manifests.page.markup import EMPTY, Markup, joined, tag, text
from training.runs.folder import Record

DEEPEST = 32  # runs before this one that are told
_MOST_SESSIONS = 32
_IDS = (
    ("Manifest", "manifest"),
    ("Content digest", "content_digest"),
    ("Plan", "plan"),
    ("Tokenizer", "tokenizer"),
    ("Base weights", "base_digest"),
    ("Adapter", "adapter_digest"),
)
_ANCESTOR = (("manifest", "manifest"), ("plan", "plan"), ("adapter", "adapter_digest"))


def identity(record: Record) -> Markup:
    """The digests that say what was trained on what."""
    terms = [
        joined(tag("dt", text(name)), tag("dd", tag("code", text(str(record[key])))))
        for name, key in _IDS
        if record.get(key) is not None
    ]
    return tag("article", tag("h3", text("Digests")), tag("dl", *terms), class_="card")


def settings_card(record: Record) -> Markup:
    """Every setting of the run."""
    settings = record.get("settings")
    values = settings if isinstance(settings, dict) else {}
    terms = [
        joined(tag("dt", text(str(key))), tag("dd", tag("code", text(_shown(value)))))
        for key, value in values.items()
        if value is not None
    ]
    return tag("article", tag("h3", text("Settings")), tag("dl", *terms), class_="card settings")


def sessions_card(record: Record) -> Markup:
    """The starts of the run: from where to where, why each ended, and what it ran with."""
    told = record.get("sessions")
    sessions = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    items = [tag("li", text(_session(one))) for one in sessions[-_MOST_SESSIONS:]]
    versions = sessions[-1].get("versions") if sessions else None
    terms = [
        joined(tag("dt", text(str(library))), tag("dd", text(str(version))))
        for library, version in (versions.items() if isinstance(versions, dict) else ())
    ]
    return tag(
        "article",
        tag("h3", text("Sessions")),
        tag("ol", *items, class_="chain") if items else EMPTY,
        tag("dl", *terms),
        class_="card settings",
    )


def lineage(record: Record) -> Markup:
    """The runs that this one went on from, the nearest first."""
    items: list[Markup] = []
    ancestor = record.get("continued_from")
    while isinstance(ancestor, dict) and len(items) < DEEPEST:
        parts = [text(f"{_shown(ancestor.get('steps'))} steps")]
        for name, key in _ANCESTOR:
            parts += [text(f", {name} "), tag("code", text(_shown(ancestor.get(key))))]
        items.append(tag("li", *parts))
        ancestor = ancestor.get("continued_from")
    if not items:
        return tag("p", text("A new adapter: no run stands before this one."))
    more = [tag("p", text("… and runs before that."), class_="quiet")] if isinstance(ancestor, dict) else []
    return joined(
        tag(
            "p",
            text(
                "The adapter was taken over from a run before this one, with a fresh optimizer and schedule:"
            ),
        ),
        tag("ol", *items, class_="chain"),
        *more,
        _overlap(record),
    )


def _overlap(record: Record) -> Markup:
    """Whether traces were trained on again, which a person must have allowed."""
    allowed = record.get("overlap")
    if not allowed:
        return EMPTY
    return tag(
        "p", text(f"Trained again on what those runs had seen, as allowed: {_shown(allowed)}."), class_="note"
    )


def _session(session: Record) -> str:
    to, ended = session.get("to"), session.get("ended")
    end = "not ended" if to is None else f"to step {_shown(to)}"
    why = "" if ended is None else f" ({_shown(ended)})"
    ran = f"{_shown(session.get('device_count'))} × {_shown(session.get('device'))}"
    return f"from step {_shown(session.get('from'))} {end}{why}, on {ran}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
