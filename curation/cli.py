"""`curation`: build, regenerate, pin, demo-sources. Parses and prints; what is done stands in the functions called."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict

from curation.build import build, find_sources
from curation.demo.sources import write_demo_sources
from curation.errors import CurationError, RecipeError
from curation.files import SourceFile
from curation.hub.pin import pin
from curation.hub.settings import hub_settings
from curation.hub.transport import HubHttp
from curation.progress import LineProgress
from curation.recipe import Recipe
from curation.recipe_reader import find_recipe, read_recipe
from curation.regenerate import regenerate
from curation.source_rows import SourceRows
from curation.summary import summary_lines
from curation.workers.base import Cluster
from manifests.command import Parser, common_flags, default_store, path, print_result, run, say
from manifests.identity import ledger_json
from manifests.objects import Location, location
from manifests.store import Store


def _processes(text: str) -> int:
    digits = text if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_PROCESSES)) else "0"
    if not 1 <= int(digits) <= _MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 to {_MOST_PROCESSES:,}")
    return int(text)


_MOST_PROCESSES = 1_024


def _add_workers(command: Parser) -> None:
    command.add_argument(
        "--workers",
        type=_processes,
        metavar="N",
        help="processes that read the sources (default: one a core; it changes nothing but the time)",
    )
    command.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where they are: on this machine, or on a Ray cluster (default: %(default)s)",
    )
    command.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of the Ray cluster: ray://HOST:PORT, HOST:PORT or auto (default: $RAY_ADDRESS, else one is started here)",
    )


def _workers(options: argparse.Namespace) -> int | Cluster | None:
    number: int | None = options.workers
    if options.engine == "ray":
        return Cluster(options.address, number)
    if options.address is not None:
        raise RecipeError("--address is that of a Ray cluster; add --engine ray")
    return number


def build_parser() -> Parser:
    """The command line of `curation`."""
    parser = Parser(
        prog="curation", description="Build the dataset mix of a recipe, and rebuild it from its manifest."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    flags = [common_flags()]

    building = commands.add_parser("build", parents=flags, help="from a recipe to a manifest and its dataset")
    building.add_argument(
        "recipe", metavar="RECIPE", help="the path of a TOML file, or the name of a shipped recipe"
    )
    building.add_argument("--dry-run", action="store_true", help="say what would be read, and read nothing")
    building.add_argument(
        "--sketch",
        action="store_true",
        help="add sketches, by which an audit tells near duplicates (as 'sketch = true' in the recipe)",
    )
    _add_workers(building)
    building.set_defaults(handler=_build)

    again = commands.add_parser(
        "regenerate", parents=flags, help="from a manifest and its sources to its dataset"
    )
    again.add_argument(
        "manifest", metavar="ID", help="an id, its beginning (8 digits or more), a name or name:version"
    )
    again.add_argument(
        "--sources",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="where the files of a source are now: a folder, or a URL such as s3://BUCKET/FOLDER",
    )
    again.add_argument("--out", type=path, metavar="DIR", help="a new folder, instead of the store's")
    again.add_argument(
        "--allow-rewritten",
        action="store_true",
        help="take source files with other bytes, if every row of the manifest is the same in them",
    )
    _add_workers(again)
    again.set_defaults(handler=_regenerate)

    pinning = commands.add_parser(
        "pin",
        parents=flags,
        help="write a recipe with the commits of its Hub sources, and their files' digests",
    )
    pinning.add_argument(
        "recipe", metavar="RECIPE", help="the path of a TOML file, or the name of a shipped recipe"
    )
    pinning.add_argument(
        "--out", type=path, required=True, metavar="FILE", help="a file that is not there yet"
    )
    pinning.set_defaults(handler=_pin)

    demo = commands.add_parser(
        "demo-sources",
        parents=flags,
        help="write four sources in the upstream layouts, and what is planted in them",
    )
    demo.add_argument("directory", type=path, metavar="DIR", help="a folder that is empty or not there yet")
    demo.add_argument(
        "--seed", type=int, default=42, help="another seed, other traces (default: %(default)s)"
    )
    demo.add_argument(
        "--scale",
        default="small",
        help="small, or full: the upstream row counts and lengths, 4.4 GB (default: %(default)s)",
    )
    demo.add_argument(
        "--glaive-rows", type=int, metavar="N", help="rows of Glaive, with --scale full (default: 150,000)"
    )
    demo.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="write only this source (may be repeated)"
    )
    demo.set_defaults(handler=_demo_sources)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    return run(build_parser(), arguments)


def _build(options: argparse.Namespace) -> int:
    recipe = read_recipe(find_recipe(options.recipe))
    if options.sketch:
        recipe = recipe.sketched()
    store = Store.open(default_store(options.store))
    if options.dry_run:
        return _dry_run(options, recipe)
    built = build(recipe, store, LineProgress(say), workers=_workers(options), notice=say)
    manifest, identity = built.manifest, built.manifest.identity
    result = {
        "id": manifest.id,
        "name": built.version.name,
        "version": built.version.number,
        "rows": identity.rows,
        "rejects": identity.rejects,
        "content_digest": manifest.content_digest,
        "ledger": ledger_json(identity.ledger),
        "parents": [asdict(parent) for parent in identity.parents],
        "notes": list(built.notes),
    }
    lines = [
        f"built {built.version.name}:{built.version.number}",
        f"  id             {manifest.id}",
        f"  content_digest {manifest.content_digest}",
        f"  rows           {identity.rows:,} ({identity.rejects:,} rejected)",
        *summary_lines(manifest),
        *(f"  {note}" for note in built.notes),
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _dry_run(options: argparse.Namespace, recipe: Recipe) -> int:
    with ExitStack() as stack:
        sources = find_sources(recipe, stack, say)
        plans = {source.recipe.name: (source, source.plan()) for source in sources}
    sizes = {
        name: {
            "files": len(plan),
            "bytes": sum(size for _, size in plan),
            "paths": [file.path for file, _ in plan],
        }
        for name, (_, plan) in plans.items()
    }
    total = sum(size for _, plan in plans.values() for _, size in plan)
    lines = [
        *(f"{name:<16} {_to_read(source, plan)}" for name, (source, plan) in plans.items()),
        f"{'together':<16} at most {total:,} bytes to read",
    ]
    print_result({"sources": sizes, "bytes": total}, lines, as_json=options.json)
    return 0


def _to_read(source: SourceRows, plan: Sequence[tuple[SourceFile, int]]) -> str:
    first, last = source.recipe.rows or (1, None)
    rows = "all rows" if last is None else f"rows {first:,} to {last:,}"
    of_files = f"{len(plan)} of {len(source.files)} files"
    where = f"{source.recipe.hub} at {source.recipe.revision}" if source.recipe.hub else str(source.base)
    return f"{rows}, at most {of_files}, {sum(size for _, size in plan):,} bytes, from {where}"


def _regenerate(options: argparse.Namespace) -> int:
    folders = dict(_named_folder(text) for text in options.sources)
    store = Store.open(default_store(options.store))
    done = regenerate(
        store,
        options.manifest,
        folders,
        options.out,
        allow_rewritten=options.allow_rewritten,
        progress=LineProgress(say),
        workers=_workers(options),
        notice=say,
    )
    manifest = done.manifest
    result = {
        "id": manifest.id,
        "rows": manifest.identity.rows,
        "content_digest": manifest.content_digest,
        "verified": True,
        "dataset": str(done.folder),
        "rewritten_sources": list(done.rewritten),
    }
    for file in done.rewritten:
        say(f"note: {file}: other bytes than when the manifest was built, the same rows")
    what = "was whole already" if done.was_whole else "rebuilt from its sources"
    lines = [
        f"dataset of {manifest.id[:12]} {what}: {manifest.identity.rows:,} rows, each is the manifest's",
        f"  content_digest {manifest.content_digest}",
        f"  folder         {done.folder}",
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _named_folder(text: str) -> tuple[str, Location]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise CurationError(
            f"--sources {text!r}: expected NAME=DIR, the name of a source and the folder with its files"
        )
    return name, location(folder)


def _pin(options: argparse.Namespace) -> int:
    with HubHttp(hub_settings(), say) as http:
        pinned = pin(find_recipe(options.recipe), options.out, http)
    result = {
        "recipe": str(options.out),
        "sources": [
            {
                "name": source.name,
                "hub": source.hub,
                "revision": source.commit,
                "files": len(source.files),
                "bytes": source.size,
            }
            for source in pinned
        ],
    }
    lines = [
        f"wrote {options.out}",
        *(
            f"  {source.name:<16} {source.hub} {source.asked} is {source.commit}: "
            f"{len(source.files):,} files, {source.size:,} bytes"
            for source in pinned
        ),
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _demo_sources(options: argparse.Namespace) -> int:
    truth = write_demo_sources(
        options.directory,
        seed=options.seed,
        scale=options.scale,
        glaive_rows=options.glaive_rows,
        only=options.only,
        progress=_rows_told(LineProgress(say)),
    )
    lines = [
        f"{options.directory}: {len(truth.rows)} sources",
        *(f"  {name:<16} {rows:,} rows" for name, rows in truth.rows.items()),
    ]
    print_result({"directory": str(options.directory), "rows": dict(truth.rows)}, lines, as_json=options.json)
    return 0


def _rows_told(progress: LineProgress) -> Callable[[str, int], None]:
    """Pass on how many rows of a source are written."""
    done = {"": 0}

    def tell(source: str, rows: int) -> None:
        if source not in done:
            progress.begin(f"{source}: writing")
        progress.step(rows - done.get(source, 0), 0)
        done[source] = rows

    return tell
