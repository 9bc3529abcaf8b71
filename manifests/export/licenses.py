"""What the licences of sources are called on the Hub, on Kaggle and by their address. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

LONGEST_LICENSE = 100  # characters

NOT_STATED = "not stated"
_UNKNOWN, _OTHER = "unknown", "other"


class _License(NamedTuple):
    """SPDX id, the Hub's tag, Kaggle's name ("other" where Kaggle has none)."""

    spdx: str
    hub: str
    kaggle: str = _OTHER


# The Hub: huggingface.co/docs/hub/repositories-licenses. Kaggle: docs/datasets_metadata.md of its command line.
_KNOWN = {
    license_.spdx.lower(): license_
    for license_ in (
        _License("Apache-2.0", "apache-2.0", "apache-2.0"),
        _License("MIT", "mit"),
        _License("BSD-2-Clause", "bsd-2-clause"),
        _License("BSD-3-Clause", "bsd-3-clause"),
        _License("CC0-1.0", "cc0-1.0", "CC0-1.0"),
        _License("CC-BY-3.0", "cc-by-3.0", "CC-BY-3.0"),
        _License("CC-BY-4.0", "cc-by-4.0", "CC-BY-4.0"),
        _License("CC-BY-SA-3.0", "cc-by-sa-3.0", "CC-BY-SA-3.0"),
        _License("CC-BY-SA-4.0", "cc-by-sa-4.0", "CC-BY-SA-4.0"),
        _License("CC-BY-NC-4.0", "cc-by-nc-4.0", "CC-BY-NC-4.0"),
        _License("CC-BY-ND-4.0", "cc-by-nd-4.0", "CC-BY-ND-4.0"),
        _License("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
        _License("CC-BY-NC-ND-4.0", "cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0"),
        _License("ODC-By-1.0", "odc-by", "ODC-BY-1.0"),
        _License("ODbL-1.0", "odbl", "ODbL-1.0"),
        _License("PDDL-1.0", "pddl", "PDDL"),
        _License("CDLA-Permissive-1.0", "cdla-permissive-1.0", "CDLA-Permissive-1.0"),
        _License("CDLA-Permissive-2.0", "cdla-permissive-2.0"),
        _License("CDLA-Sharing-1.0", "cdla-sharing-1.0", "CDLA-Sharing-1.0"),
        _License("GPL-3.0-only", "gpl-3.0", "GPL-3.0"),
        _License("AGPL-3.0-only", "agpl-3.0", "AGPL-3.0"),
        _License("LGPL-3.0-only", "lgpl-3.0", "LGPL-3.0"),
    )
}


def stated_licenses(receipt: Mapping[str, object], sources: Iterable[str]) -> dict[str, str]:
    """The licence that a receipt states for each source: "not stated" where it has no printable text for it."""
    given = receipt.get("licenses")
    texts = given if isinstance(given, dict) else {}
    return {name: _text(texts.get(name)) for name in sources}


def _text(value: object) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_LICENSE and value.isprintable()
    return str(value) if fits else NOT_STATED


def hub_licenses(stated: Iterable[str]) -> list[str]:
    """The Hub's tags for these licences, sorted; `unknown` for one not stated, `other` for one it has no tag for."""
    return sorted({_named(text, lambda known: known.hub) for text in stated})


def kaggle_license(stated: Iterable[str]) -> str:
    """Kaggle's one name for a dataset under all of these licences.

    `unknown` if one is not stated; `other`, which means "see the description", if they differ or Kaggle has no name.
    """
    names = {_named(text, lambda known: known.kaggle) for text in stated}
    if _UNKNOWN in names:
        return _UNKNOWN
    return names.pop() if len(names) == 1 else _OTHER


def license_references(stated: Iterable[str]) -> list[str]:
    """The addresses of these licences at SPDX, or their words where they are no id of the table; sorted."""
    return sorted(
        f"https://spdx.org/licenses/{known.spdx}.html" if (known := _KNOWN.get(text.lower())) else text
        for text in set(stated)
    )


def _named(text: str, called: Callable[[_License], str]) -> str:
    if text == NOT_STATED:
        return _UNKNOWN
    known = _KNOWN.get(text.lower())
    return _OTHER if known is None else called(known)
