"""All rows of the full size, told while they are read."""

from collections.abc import Callable, Collection, Iterator, Sequence

from curation.demo.full.phrases import Phrases, english, foreign, short_english
from curation.demo.full.plan import plan
from curation.demo.full.rows import Place, tell_rows
from curation.demo.planting import Planted, Row
from curation.demo.scales import Scale

Progress = Callable[[str, int], None]
"""Told now and then of a source, and how many of its rows are told."""


def tell(
    seed: int, scale: Scale, sources: Collection[str], progress: Progress | None
) -> tuple[dict[str, Iterator[Sequence[Row]]], list[Planted]]:
    """The rows of these sources, in lots, and all that is planted in them.

    Read them source after source, in this order: a row is kept in memory from where it is told to where it is
    repeated, and nothing else is.
    """
    planned = plan(seed, scale, sources)
    kept: dict[Place, Row] = {}
    rows = scale.rows()

    def lots(source: str) -> Iterator[Sequence[Row]]:
        told = 0
        for lot in tell_rows(source, rows[source], seed, _phrases(seed, scale, source), planned, kept):
            told += len(lot)
            if progress:
                progress(source, told)
            yield lot

    return {source: lots(source) for source in planned.planted}, planned.listed()


def _phrases(seed: int, scale: Scale, source: str) -> dict[str, Phrases]:
    """What the rows of a source are composed of, by language."""
    if source == "cot":
        return {"en": short_english(seed, scale.sentences)}
    languages = {
        language for part in scale.parts.values() if part.source == source for language in part.languages
    }
    others = {language: foreign(seed, language, scale.sentences // 4) for language in sorted(languages)}
    return {"en": english(seed, scale.sentences), **others}
