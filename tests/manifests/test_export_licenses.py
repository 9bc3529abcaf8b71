"""Which licence an export states, for what the recipes of its sources state."""

import pytest

from manifests.export.licenses import (
    NOT_STATED,
    hub_licenses,
    kaggle_license,
    license_references,
    stated_licenses,
)


def test_a_source_without_a_licence_in_the_receipt_has_none_stated() -> None:
    assert stated_licenses({"licenses": {"one": "MIT", "other": "x"}}, ["one", "two"]) == {
        "one": "MIT",
        "two": NOT_STATED,
    }


@pytest.mark.parametrize(
    "value", ["", 7, None, ["MIT"], "x" * 101, "two\nlines", "\x1b[31m", "\u202e", "\ud800"], ids=ascii
)
def test_what_no_recipe_can_state_is_not_stated(value: object) -> None:
    assert stated_licenses({"licenses": {"one": value}}, ["one"]) == {"one": NOT_STATED}


@pytest.mark.parametrize("receipt", [{}, {"licenses": None}, {"licenses": ["MIT"]}, {"licenses": "MIT"}])
def test_a_receipt_without_licences_states_none(receipt: dict[str, object]) -> None:
    assert stated_licenses(receipt, ["one"]) == {"one": NOT_STATED}


@pytest.mark.parametrize(
    ("stated", "hub", "kaggle"),
    [
        (["Apache-2.0"], ["apache-2.0"], "apache-2.0"),
        (["apache-2.0", "APACHE-2.0"], ["apache-2.0"], "apache-2.0"),
        (["Apache-2.0", "CC-BY-4.0"], ["apache-2.0", "cc-by-4.0"], "other"),
        (["MIT"], ["mit"], "other"),
        (["MIT", "BSD-3-Clause"], ["bsd-3-clause", "mit"], "other"),
        (["the authors' own terms"], ["other"], "other"),
        (["Apache-2.0", NOT_STATED], ["apache-2.0", "unknown"], "unknown"),
        ([NOT_STATED], ["unknown"], "unknown"),
        (["PDDL-1.0"], ["pddl"], "PDDL"),
    ],
)
def test_the_licence_of_a_mix_is_that_of_all_its_sources(
    stated: list[str], hub: list[str], kaggle: str
) -> None:
    assert hub_licenses(stated) == hub
    assert kaggle_license(stated) == kaggle


def test_a_known_licence_is_referred_to_by_its_address_another_by_its_words() -> None:
    assert license_references(["mit", "own terms", "mit"]) == [
        "https://spdx.org/licenses/MIT.html",
        "own terms",
    ]
