"""The store: what a name, a version, an id or its beginning stands for, and where it is looked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import (
    AmbiguousIdError,
    ManifestError,
    NameNotAllowedError,
    StoreError,
    UnknownManifestError,
    VerificationError,
)
from manifests.publish import publish_name
from manifests.store import PUBLISHED, Store, check_name
from tests.manifests.helpers import (
    build_manifest,
    files_below,
    parts_of,
    publish,
    read_only,
    run_held_to_permissions,
    traces,
    write_jsonl,
)

FIRST, SECOND = parts_of(traces(2)), parts_of(traces(2, first=5))
TWIN = "0123456789abcdef" * 4


@pytest.fixture
def store(store_path: Path) -> Store:
    """A store with nothing behind it and nothing in it."""
    return Store(store_path, behind=())


def make_folders(store: Store, *names: str) -> None:
    for name in names:
        (store.root / "manifests" / name).mkdir(parents=True)


def point(store: Store, name: str, number: int | str, text: str) -> Path:
    """Write a reference by hand."""
    path = store.root / "refs" / name / str(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name", ["a", "7", "session1", "a-b", "9-", "abcdef0", "deadbeef-1", "g" * 64, "1234567"]
)
def test_a_name_of_letters_digits_and_hyphens_is_allowed(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "-a",
            "A",
            "Session",
            "a_b",
            "a.b",
            "..",
            ".",
            ".hidden",
            "a/b",
            "/a",
            "a/",
            "../a",
            "a b",
            "a\n",
            "ä",
        ),
        *("a:1", "a\x00", "a\\b", "٣", "ﬁ", "g" * 65),
    ],
)
def test_a_name_that_could_lead_out_of_its_folder_is_not_allowed(name: str, store: Store) -> None:
    with pytest.raises(NameNotAllowedError, match="expected 1 to 64 of a-z, 0-9 and -"):
        check_name(name)
    with pytest.raises(NameNotAllowedError):
        publish_name(store, name, FIRST.identity.id)
    assert not store.root.exists()


@pytest.mark.parametrize("name", ["deadbeef", "12345678", "a" * 64, FIRST.identity.id])
def test_a_name_that_could_be_taken_for_an_id_is_not_allowed(name: str) -> None:
    with pytest.raises(NameNotAllowedError, match="8 or more hex digits alone"):
        check_name(name)


@given(st.text())
def test_an_allowed_name_is_one_path_component_and_no_id(name: str) -> None:
    try:
        check_name(name)
    except NameNotAllowedError:
        return
    assert 1 <= len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) < 8 or set(name) - set("0123456789abcdef")


def test_a_manifest_is_found_by_name_version_id_and_beginning(store: Store) -> None:
    first, second = publish(store, FIRST).id, publish(store, SECOND).id
    found = {
        "mix": second,
        "mix:1": first,
        "mix:2": second,
        first: first,
        first[:8]: first,
        first[:63]: first,
        second[:12]: second,
    }
    assert {reference: store.resolve(reference) for reference in found} == found
    assert {reference: store.manifest(reference).id for reference in found} == found


def test_a_bare_name_means_its_highest_version_as_a_number(store: Store) -> None:
    for number in (9, 10, 2):
        point(store, "mix", number, f"{number:064}\n")
    assert store.resolve("mix") == f"{10:064}"
    assert [version.number for version in store.versions("mix")] == [2, 9, 10]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("other", "'other': no manifest of that name in .*; names there: mix, more"),
        ("mix:3", "'mix:3': mix has the versions 1 to 2"),
        ("abcdef1", "'abcdef1': no manifest of that name"),
        (TWIN[:8], "'01234567': no manifest's id begins with it"),
        (TWIN, "no manifest's id begins with it"),
        ("f" * 65, "no manifest's id begins with it"),
    ],
)
def test_an_unknown_reference_is_refused(reference: str, words: str, store: Store) -> None:
    for parts in (FIRST, SECOND):
        publish(store, parts)
    publish_name(store, "more", FIRST.identity.id)
    with pytest.raises(UnknownManifestError, match=words):
        store.manifest(reference)


def test_in_an_empty_store_no_name_is_known(store: Store) -> None:
    with pytest.raises(UnknownManifestError, match="names there: none"):
        store.resolve("mix")


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "mix:",
        "mix:0",
        "mix:01",
        "mix:x",
        "mix:-1",
        "mix:1:2",
        "mix:1 ",
        "mix:\u0661",
        "MIX",
        "a/b",
        "..",
        "ABCDEF12",
    ],
)
def test_a_reference_that_can_be_neither_name_nor_id_is_refused(reference: str, store: Store) -> None:
    publish(store, FIRST)
    with pytest.raises(NameNotAllowedError):
        store.manifest(reference)


def test_the_beginning_of_two_ids_is_ambiguous(store: Store) -> None:
    other = TWIN[:10] + "f" * 54
    make_folders(store, TWIN, other)
    with pytest.raises(AmbiguousIdError, match=f"the beginning of 2 ids .*{TWIN}.*give more digits"):
        store.manifest(TWIN[:10])
    assert store.resolve(TWIN[:11]) == TWIN
    assert store.resolve(other) == other


def test_the_beginning_of_two_ids_in_different_stores_is_ambiguous(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "one", behind=()), Store(tmp_path / "other", behind=())
    make_folders(one, TWIN, "f" * 64)
    make_folders(other, TWIN, TWIN[:8] + "f" * 56)
    both = Store(one.root, behind=(other.root,))
    assert both.resolve("f" * 8) == "f" * 64
    with pytest.raises(AmbiguousIdError, match="of 2 ids"):
        both.resolve(TWIN[:8])


def test_what_is_being_written_or_thrown_away_belongs_to_nobody(store: Store) -> None:
    publish(store, FIRST)
    make_folders(store, f".{TWIN}", ".staging-1", "notes", TWIN.upper(), TWIN[:63])
    point(store, "mix", ".2-abc", TWIN)
    point(store, "mix", "02", TWIN)
    point(store, "mix", "notes", TWIN)
    point(store, ".mix", 1, TWIN)
    assert store.ids() == [FIRST.identity.id]
    assert [(version.name, version.number) for version in store.versions()] == [("mix", 1)]


def test_the_published_manifests_stand_behind_every_store(store_path: Path) -> None:
    assert Store.open(store_path).roots == (store_path, PUBLISHED)
    assert PUBLISHED.name == "published"


def test_every_published_manifest_verifies_and_has_a_name() -> None:
    published = Store(PUBLISHED, behind=())
    named = [version.id for version in published.versions()]
    assert sorted(set(named)) == published.ids()
    assert [published.manifest(identifier).id for identifier in named] == named


def test_what_stands_behind_a_store_is_found_and_its_own_comes_first(tmp_path: Path) -> None:
    behind, store = (
        Store(tmp_path / "behind", behind=()),
        Store(tmp_path / "store", behind=(tmp_path / "behind",)),
    )
    published = publish(behind, FIRST)
    publish_name(behind, "mix", SECOND.identity.id)
    assert store.manifest("mix:1").folder == published.folder
    assert store.manifest(published.id[:8]).id == published.id
    assert store.dataset_folder(published) == behind.root / "datasets" / published.id
    assert (store.ids(), store.versions()) == (behind.ids(), behind.versions())

    own = publish(store, FIRST, "own")
    assert store.manifest(published.id).folder == own.folder
    assert store.dataset_folder(own) == store.root / "datasets" / own.id
    assert store.ids() == [published.id]

    point(store, "mix", 1, f"{TWIN}\n")
    assert [(version.number, version.id) for version in store.versions("mix")] == [
        (1, TWIN),
        (2, SECOND.identity.id),
    ]


def test_a_name_goes_on_from_the_published_versions_and_only_the_store_is_written(tmp_path: Path) -> None:
    behind, store = (
        Store(tmp_path / "behind", behind=()),
        Store(tmp_path / "store", behind=(tmp_path / "behind",)),
    )
    publish(behind, FIRST)
    before = files_below(behind.root)
    assert publish_name(store, "mix", FIRST.identity.id).number == 1
    assert publish_name(store, "mix", SECOND.identity.id).number == 2
    assert files_below(behind.root) == before


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a store is a folder, this is a file"):
        Store.open(tmp_path / "file")


def test_a_store_that_is_not_there_holds_nothing(store_path: Path) -> None:
    store = Store(store_path, behind=())
    assert (store.ids(), store.versions()) == ([], [])
    assert Store.open(store_path).root == store_path
    assert not store_path.exists()


@pytest.mark.parametrize(
    "text", ["", "\n", TWIN[:63], f"{TWIN}\n\n", f"{TWIN} ", TWIN.upper(), "../../etc", "é" * 32]
)
def test_a_damaged_reference_is_refused(text: str, store: Store) -> None:
    path = point(store, "mix", 1, text)
    with pytest.raises(StoreError) as caught:
        store.resolve("mix")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_place_of_a_reference_is_refused(store: Store) -> None:
    (store.root / "refs" / "mix" / "1").mkdir(parents=True)
    with pytest.raises(StoreError, match="no regular file"):
        store.resolve("mix")


def test_a_name_whose_manifest_is_gone_is_refused(store: Store) -> None:
    point(store, "mix", 1, f"{TWIN}\n")
    with pytest.raises(UnknownManifestError, match=f"'mix': its manifest {TWIN} is not in"):
        store.manifest("mix")


def test_a_manifest_is_verified_whenever_it_is_read(store: Store) -> None:
    manifest = publish(store, FIRST)
    (manifest.folder / "rows.parquet").write_bytes(
        publish(store, SECOND).folder.joinpath("rows.parquet").read_bytes()
    )
    for reference in ("mix:1", manifest.id, manifest.id[:8]):
        with pytest.raises(VerificationError):
            store.manifest(reference)


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.ids(),
        lambda store: store.versions(),
        lambda store: store.resolve("mix"),
        lambda store: store.resolve("deadbeef"),
    ],
)
def test_a_store_with_files_in_place_of_its_folders_holds_nothing(
    read: Callable[[Store], object], store: Store
) -> None:
    store.root.mkdir()
    for folder in ("manifests", "refs"):
        (store.root / folder).write_text("")
    try:
        assert read(store) == []
    except ManifestError as error:
        assert isinstance(error, UnknownManifestError)  # noqa: PT017 - listing answers, resolving refuses


def test_a_store_without_write_permission_is_read_and_nothing_is_written_to_it(
    store_path: Path, tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", traces(4))
    manifest = build_manifest(store_path, "mix", {"a": file}).manifest
    before = files_below(store_path)
    recipe = tmp_path / "recipe.toml"
    columns = 'columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }'
    recipe.write_text(f'name = "mix"\nseed = 7\n[[source]]\nname = "a"\nfiles = "a.jsonl"\n{columns}\n')
    with read_only(store_path):
        for arguments in (["list"], ["show", "mix"], ["verify", manifest.id[:8], "--dataset"]):
            done = run_held_to_permissions("-m", "manifests", *arguments, "--store", store_path)
            assert (done.returncode, done.stderr) == (0, "")
            assert manifest.id[:12] in done.stdout
        done = run_held_to_permissions("-m", "curation", "build", recipe, "--store", store_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.endswith(
            "can't be written (Permission denied); choose another place with --store or --out\n"
        )
        assert done.stderr.count("\n") == 1
    assert files_below(store_path) == before


def test_a_store_that_may_not_be_read_is_one_line(store_path: Path) -> None:
    publish(Store(store_path, behind=()), FIRST)
    with read_only(store_path, mode=0o000):
        for arguments in (["list"], ["show", "mix"], ["verify", FIRST.identity.id]):
            done = run_held_to_permissions("-m", "manifests", *arguments, "--store", store_path)
            assert (done.returncode, done.stdout) == (2, "")
            assert "can't be read (Permission denied)" in done.stderr
            assert done.stderr.count("\n") == 1
