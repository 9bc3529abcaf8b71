"""`curation`: build, regenerate, demo-sources. Parses and prints; what is done stands in the functions called."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from curation.build import build
from curation.demo.sources import write_demo_sources
from curation.errors import CurationError
from curation.progress import RowProgress
from curation.recipe_reader import find_recipe, read_recipe
from curation.regenerate import regenerate
from curation.source_rows import SourceRows
from manifests.command import Parser, common_flags, default_store, path, print_result, run, say
from manifests.describe import ledger_lines
from manifests.identity import ledger_json
from manifests.store import Store


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
        help="where the files of a source are now",
    )
    again.add_argument("--out", type=path, metavar="DIR", help="a new folder, instead of the store's")
    again.add_argument(
        "--allow-rewritten",
        action="store_true",
        help="take source files with other bytes, if every row of the manifest is the same in them",
    )
    again.set_defaults(handler=_regenerate)

    demo = commands.add_parser(
        "demo-sources", parents=flags, help="write four small sources in the upstream layouts"
    )
    demo.add_argument("directory", type=path, metavar="DIR", help="a folder that is empty or not there yet")
    demo.add_argument(
        "--seed", type=int, default=42, help="another seed, other traces (default: %(default)s)"
    )
    demo.add_argument("--scale", default="small", help="how much (default: %(default)s)")
    demo.set_defaults(handler=_demo_sources)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    return run(build_parser(), arguments)


def _build(options: argparse.Namespace) -> int:
    recipe = read_recipe(find_recipe(options.recipe))
    store = Store.open(default_store(options.store))
    if options.dry_run:
        return _dry_run(options, [SourceRows.find(source, recipe.folder) for source in recipe.sources])
    built = build(recipe, store, RowProgress(say))
    manifest, identity = built.manifest, built.manifest.identity
    result = {
        "id": manifest.id,
        "name": built.version.name,
        "version": built.version.number,
        "rows": identity.rows,
        "rejects": identity.rejects,
        "content_digest": manifest.content_digest,
        "ledger": ledger_json(identity.ledger),
        "parents": list(identity.parents),
    }
    lines = [
        f"built {built.version.name}:{built.version.number}",
        f"  id             {manifest.id}",
        f"  content_digest {manifest.content_digest}",
        f"  rows           {identity.rows:,} ({identity.rejects:,} rejected)",
        *ledger_lines(identity.ledger),
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _dry_run(options: argparse.Namespace, sources: Sequence[SourceRows]) -> int:
    sizes = {
        source.recipe.name: {
            "files": len(source.files),
            "bytes": sum(file.here.stat().st_size for file in source.files),
        }
        for source in sources
    }
    lines = [
        f"{name}: at most {size['files']} files, {size['bytes']:,} bytes to read"
        for name, size in sizes.items()
    ]
    print_result({"sources": sizes}, lines, as_json=options.json)
    return 0


def _regenerate(options: argparse.Namespace) -> int:
    folders = dict(_named_folder(text) for text in options.sources)
    store = Store.open(default_store(options.store))
    done = regenerate(store, options.manifest, folders, options.out, allow_rewritten=options.allow_rewritten)
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


def _named_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise CurationError(
            f"--sources {text!r}: expected NAME=DIR, the name of a source and the folder with its files"
        )
    return name, Path(folder)


def _demo_sources(options: argparse.Namespace) -> int:
    truth = write_demo_sources(options.directory, seed=options.seed, scale=options.scale)
    lines = [
        f"{options.directory}: four sources",
        *(f"  {name:<16} {rows:,} rows" for name, rows in truth.rows.items()),
    ]
    print_result({"directory": str(options.directory), "rows": dict(truth.rows)}, lines, as_json=options.json)
    return 0
