"""Letters by script: which characters `language = { by = "script" }` looks for (manifests/FORMAT.md, `script/1`). Pure.

The tables are those of Unicode 18.0.0: code points whose Script is the one named (Scripts.txt) and whose General
Category is a letter, L* (DerivedGeneralCategory.txt). They are frozen: neither Python's own tables nor a later Unicode
move a verdict. Punctuation, marks and digits are no letters, and neither are letters that several scripts share.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from manifests.identity import Detector

SCRIPT_ALGORITHM = "script/1"

_ASCII = bytes(range(128))


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    bounds = [part.split("-") for part in text.split()]
    return tuple((int(pair[0], 16), int(pair[-1], 16)) for pair in bounds)


_LETTERS = {
    "Arabic": """
        0620-063F 0641-064A 066E-066F 0671-06D3 06D5 06E5-06E6 06EE-06EF 06FA-06FC 06FF 0750-077F
        0870-0887 0889-088F 08A0-08C9 FB50-FBB1 FBD3-FD3D FD50-FD8F FD92-FDC7 FDF0-FDFB FE70-FE74
        FE76-FEFC 10EC2-10EC7 10ED9-10EEE 1EE00-1EE03 1EE05-1EE1F 1EE21-1EE22 1EE24 1EE27 1EE29-1EE32
        1EE34-1EE37 1EE39 1EE3B 1EE42 1EE47 1EE49 1EE4B 1EE4D-1EE4F 1EE51-1EE52 1EE54 1EE57 1EE59 1EE5B
        1EE5D 1EE5F 1EE61-1EE62 1EE64 1EE67-1EE6A 1EE6C-1EE72 1EE74-1EE77 1EE79-1EE7C 1EE7E 1EE80-1EE89
        1EE8B-1EE9B 1EEA1-1EEA3 1EEA5-1EEA9 1EEAB-1EEBB
    """,
    "Armenian": "0531-0556 0558-0559 0560-0588 058B-058C FB13-FB17",
    "Bengali": """
        0980 0985-098C 098F-0990 0993-09A8 09AA-09B0 09B2 09B6-09B9 09BD 09CE 09DC-09DD 09DF-09E1
        09F0-09F1 09FC 11DF1
    """,
    "Bopomofo": "3105-312F 31A0-31BF",
    "Cyrillic": "0400-0481 048A-052F 1C80-1C8A 1D2B 1D78 A640-A66E A67F-A69D 1E030-1E06D",
    "Devanagari": "0904-0939 093D 0950 0958-0961 0971-097F A8F2-A8F7 A8FB A8FD-A8FE 11B0A",
    "Ethiopic": """
        1200-1248 124A-124D 1250-1256 1258 125A-125D 1260-1288 128A-128D 1290-12B0 12B2-12B5 12B8-12BE
        12C0 12C2-12C5 12C8-12D6 12D8-1310 1312-1315 1318-135A 1380-138F 2D80-2D96 2DA0-2DA6 2DA8-2DAE
        2DB0-2DB6 2DB8-2DBE 2DC0-2DC6 2DC8-2DCE 2DD0-2DD6 2DD8-2DDE AB01-AB06 AB09-AB0E AB11-AB16
        AB20-AB26 AB28-AB2E 1E7E0-1E7E6 1E7E8-1E7EB 1E7ED-1E7EE 1E7F0-1E7FE
    """,
    "Georgian": "10A0-10C5 10C7 10CD 10D0-10FA 10FC-10FF 1C90-1CBA 1CBD-1CBF 2D00-2D25 2D27 2D2D",
    "Greek": """
        0370-0373 0376-0377 037A-037D 037F 0386 0388-038A 038C 038E-03A1 03A3-03E1 03F0-03F5 03F7-03FF
        1D26-1D2A 1D5D-1D61 1D66-1D6A 1DBF 1F00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B
        1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC
        1FF2-1FF4 1FF6-1FFC 2126 AB65 1DFF3-1DFF4
    """,
    "Gujarati": "0A85-0A8D 0A8F-0A91 0A93-0AA8 0AAA-0AB0 0AB2-0AB3 0AB5-0AB9 0ABD 0AD0 0AE0-0AE1 0AF9",
    "Gurmukhi": """
        0A05-0A0A 0A0F-0A10 0A13-0A28 0A2A-0A30 0A32-0A33 0A35-0A36 0A38-0A39 0A59-0A5C 0A5E 0A72-0A74
    """,
    "Han": """
        3005 303B 3400-4DBF 4E00-9FFF F900-FA6D FA70-FAD9 16FE3 16FF2-16FF3 20000-2A6DF 2A700-2B81E
        2B820-2CEAD 2CEB0-2EBE0 2EBF0-2EE5D 2F800-2FA1D 30000-3134A 31350-33479
    """,
    "Hangul": """
        1100-11FF 3131-318E A960-A97C AC00-D7A3 D7B0-D7C6 D7CB-D7FB FFA0-FFBE FFC2-FFC7 FFCA-FFCF
        FFD2-FFD7 FFDA-FFDC
    """,
    "Hebrew": """
        05D0-05EA 05EF-05F2 FB1D FB1F-FB28 FB2A-FB36 FB38-FB3C FB3E FB40-FB41 FB43-FB44 FB46-FB4F
    """,
    "Hiragana": "3041-3096 309D-309F 1B001-1B11F 1B123 1B132 1B150-1B152",
    "Kannada": """
        0C80 0C85-0C8C 0C8E-0C90 0C92-0CA8 0CAA-0CB3 0CB5-0CB9 0CBD 0CDC-0CDE 0CE0-0CE1 0CF1-0CF2
    """,
    "Katakana": """
        30A1-30FA 30FD-30FF 31F0-31FF FF66-FF6F FF71-FF9D 1AFF0-1AFF3 1AFF5-1AFFB 1AFFD-1AFFE 1B000
        1B120-1B122 1B124-1B128 1B155 1B164-1B168
    """,
    "Khmer": "1780-17B3 17D7 17DC",
    "Lao": """
        0E81-0E82 0E84 0E86-0E8A 0E8C-0EA3 0EA5 0EA7-0EB0 0EB2-0EB3 0EBD 0EC0-0EC4 0EC6 0EDC-0EDF
    """,
    "Malayalam": "0D04-0D0C 0D0E-0D10 0D12-0D3A 0D3D 0D4E 0D54-0D56 0D5F-0D61 0D7A-0D7F",
    "Myanmar": """
        1000-102A 103F 1050-1055 105A-105D 1061 1065-1066 106E-1070 1075-1081 108E A9E0-A9E4 A9E6-A9EF
        A9FA-A9FE AA60-AA76 AA7A AA7E-AA7F
    """,
    "Sinhala": "0D85-0D96 0D9A-0DB1 0DB3-0DBB 0DBD 0DC0-0DC6",
    "Tamil": """
        0B83 0B85-0B8A 0B8E-0B90 0B92-0B95 0B99-0B9A 0B9C 0B9E-0B9F 0BA3-0BA4 0BA8-0BAA 0BAE-0BB9 0BD0
    """,
    "Telugu": "0C05-0C0C 0C0E-0C10 0C12-0C28 0C2A-0C39 0C3D 0C58-0C5A 0C5C-0C5D 0C60-0C61",
    "Thai": "0E01-0E30 0E32-0E33 0E40-0E46",
    "Tibetan": "0F00 0F40-0F47 0F49-0F6C 0F88-0F8C",
}

SCRIPTS: Mapping[str, tuple[tuple[int, int], ...]] = {
    name: _ranges(text) for name, text in sorted(_LETTERS.items())
}
"""The letters of each script that can be named, as ranges of code points, ascending, both ends inclusive.

Not Latin, which English is written in. Greek letters are common in mathematics.
"""


class ScriptFinder:
    """Finds the letters of some of the `SCRIPTS`. KeyError for the name of another."""

    def __init__(self, names: Iterable[str]) -> None:
        self._ranges = {name: SCRIPTS[name] for name in sorted(set(names))}
        # An empty class is no pattern; this one matches nowhere.
        classes = "".join(_classes(ranges) for ranges in self._ranges.values())
        self._letters = re.compile(f"[{classes}]" if classes else r"(?!)")

    @property
    def record(self) -> Detector:
        """The algorithm and the digest of the ranges it looks for, as they stand in a manifest."""
        digest = hashlib.sha256()
        for name, ranges in self._ranges.items():
            digest.update(_number(len(name)) + name.encode() + _number(len(ranges)))
            digest.update(b"".join(_number(bound) for pair in ranges for bound in pair))
        return Detector(SCRIPT_ALGORITHM, digest.hexdigest())

    def first(self, text: str) -> str | None:
        """The script of the text's first letter that is of one of the scripts; None if no letter is."""
        if text.isascii():
            return None
        # Few characters of most texts are beyond ASCII, and dropping the others as bytes is the fastest way to those.
        beyond = (
            text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
        )
        found = self._letters.search(beyond)
        if found is None:
            return None
        letter = ord(found.group())
        return next(
            name
            for name, ranges in self._ranges.items()
            if any(first <= letter <= last for first, last in ranges)
        )


def _classes(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")
