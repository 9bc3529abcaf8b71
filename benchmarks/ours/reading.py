"""The floor of a build: every text of the named columns read and decoded. Run by the contest `mix`.

    python -m benchmarks.ours.reading TASK

The lengths of the texts are summed, so that nothing can be left out.
"""

import json
import sys
from pathlib import Path

import polars as pl

from curation.files import SourceFile
from curation.formats import json_document, jsonl
from curation.formats.base import Layout, Notes, Span
from curation.recipe import Columns


def main() -> None:
    """Read it all."""
    task = json.loads(Path(sys.argv[1]).read_bytes())
    paths = {name: Path(files) for name, (files, _) in task["columns"].items()}
    columns = {name: named for name, (_, named) in task["columns"].items()}
    frames = {
        "raiden": pl.scan_csv(paths["raiden"], encoding="utf8-lossy"),
        "glaive": pl.scan_parquet(paths["glaive"]).head(task["glaive"]),
    }
    for name, frame in frames.items():
        lengths = pl.col(columns[name]).str.len_bytes().sum()
        frame.select(lengths).collect(engine="streaming")
    # polars reads no JSON object keyed by id, and no JSONL with a line that is not UTF-8.
    for name, form in (("openo1", jsonl), ("cot", json_document)):
        path = next(paths[name].parent.glob(paths[name].name))
        layout, file = Layout(Columns(tuple(columns[name]))), SourceFile(path.name, path)
        head = form.head(file, layout)
        for _ in form.rows(file, layout, head, Span(head.begin, head.end), Notes()):
            pass
    print("{}")


if __name__ == "__main__":
    main()
