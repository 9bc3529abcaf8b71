"""The audit's page in a real headless Chromium: what a reader sees, and what never happens."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from manifests.audit import Audit, audit_json
from manifests.store import Store
from tests.manifests.browser import Browser, chromium
from tests.manifests.sessions import CHANGED, HOSTILE, audited, build_sessions, page_of, with_near

PHONE, DESK = (390, 844), (1280, 900)
COUNTS = {"row": "same_row", "content": "same_content", "prompt": "same_prompt", "near": "near_duplicate"}

# Every element that says what it counts, with the number that people see.
NUMBERS = """
return [...document.querySelectorAll('[data-tier], [data-total], [data-manifest]')].map(element => [
  {...element.dataset}, element.textContent.replaceAll(',', ''), element.value === undefined ? null : element.value]);
"""
# The least contrast of text with what is painted behind it, over all elements that hold text themselves.
CONTRAST = """
const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const light = colour => { const [red, green, blue] = colour.match(/[0-9.]+/g).map(Number);
  return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue); };
const ground = element => { const colour = getComputedStyle(element).backgroundColor;
  return colour === 'rgba(0, 0, 0, 0)' ? ground(element.parentElement) : colour; };
const holdsText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
return [...document.body.querySelectorAll('*')].filter(holdsText).map(element => {
  const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05); });
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        running.emulate(*DESK)
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_sessions(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def two(store: Store) -> Audit:
    return with_near(audited(store, "session1", "session2"), tiers=("row", "content", "near"))


@pytest.fixture(scope="module")
def four(store: Store) -> Audit:
    return audited(store, "session1", "session2", "session3", "session4")


def opened(
    browser: Browser, store: Store, outcome: Audit, folder: Path, size: tuple[int, int] = DESK
) -> Path:
    """Open the page of an audit on a screen of this size."""
    page = folder / "audit.html"
    page.write_text(page_of(store, outcome), encoding="utf-8")
    browser.emulate(*size)
    browser.open(page)
    return page


def shown(browser: Browser) -> dict[tuple[tuple[str, str], ...], str]:
    """The numbers on the page by what they say that they count; each is told once, or the same each time."""
    found: dict[tuple[tuple[str, str], ...], str] = {}
    entries = browser.run(NUMBERS)
    assert isinstance(entries, list)
    for where, text, value in entries:
        assert value in {None, text}
        assert found.setdefault(tuple(sorted(where.items())), text) == text
    return found


def expected(outcome: Audit) -> dict[tuple[tuple[str, str], ...], str]:
    """The same numbers from what `--json` prints, and the rows of the manifests' sources."""
    result = json.loads(json.dumps(audit_json(outcome)))
    numbers: list[tuple[object, dict[str, object]]] = []
    for place, manifest in enumerate(result["manifests"]):
        numbers += [(manifest[field], {"manifest": place, "field": field}) for field in ("id", "rows")]
    for pair in result["pairs"]:
        numbers += of_pair(outcome, pair, [manifest["id"] for manifest in result["manifests"]])
    if len(result["pairs"]) > 1:
        numbers += [(result[key], {"total": tier}) for tier, key in COUNTS.items()]
    return {
        tuple(sorted((key, str(value)) for key, value in where.items())): "–" if count is None else str(count)
        for count, where in numbers
    }


def of_pair(outcome: Audit, pair: dict[str, Any], ids: list[str]) -> list[tuple[object, dict[str, object]]]:
    """The numbers of a pair. Those of its sources stand on the page only if it shares anything."""
    sides = {side: ids.index(pair[side]) for side in ("a", "b")}
    name = "-".join(map(str, sides.values()))
    numbers: list[tuple[object, dict[str, object]]] = [
        (pair[key], {"pair": name, "tier": tier}) for tier, key in COUNTS.items()
    ]
    if not any(pair[key] for key in COUNTS.values()):
        return numbers
    for side, place in sides.items():
        sources = {source.source: source.rows for source in outcome.manifests[place].identity.ledger}
        numbers += [(rows, {"manifest": place, "source": source}) for source, rows in sources.items()]
        for tier, both in pair["by_source"].items():
            where = {"pair": name, "tier": tier, "side": side}
            numbers.append((sum(both[side].values()), where))
            numbers += [(both[side].get(source, 0), {**where, "source": source}) for source in sources]
    return numbers


@pytest.mark.parametrize("which", ["two", "four"])
def test_every_number_of_json_stands_on_the_page(
    which: str, browser: Browser, store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    outcome: Audit = request.getfixturevalue(which)
    opened(browser, store, outcome, tmp_path)
    assert shown(browser) == expected(outcome)
    assert browser.run("return document.querySelector('[data-overlap]').dataset.overlap") == "true"


def test_the_threshold_and_whether_it_was_confirmed_stand_on_the_page(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    told = "return [document.querySelector('[data-field=threshold]').value,"
    told += "document.querySelector('[data-confirmed]').dataset.confirmed]"
    for confirmed in (False, True):
        opened(browser, store, replace(two, confirmed=confirmed), tmp_path)
        assert browser.run(told) == [str(two.threshold), str(confirmed).lower()]


def test_it_opens_without_an_error_and_asks_for_nothing_else(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    page = opened(browser, store, two, tmp_path)
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.run("return document.compatMode") == "CSS1Compat"


def test_a_dialog_would_be_noticed(browser: Browser, store: Store, two: Audit, tmp_path: Path) -> None:
    opened(browser, store, two, tmp_path)
    assert not browser.has_dialog()
    browser.run("setTimeout(alert, 0, 'here')")
    deadline = time.monotonic() + 10
    while not browser.has_dialog():
        assert time.monotonic() < deadline
    browser.dismiss()
    assert not browser.has_dialog()


def test_markup_and_scripts_in_a_trace_are_text_and_run_nothing(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    opened(browser, store, two, tmp_path)
    assert not browser.has_dialog()
    assert browser.run("return document.title") == "session1 × session2"
    foreign = (
        "script, img, svg, a, iframe, object, embed, link, form, [onload], [onerror], main style, main title"
    )
    assert browser.run(f"return document.querySelectorAll('{foreign}').length") == 0
    assert browser.run("return document.querySelectorAll('style, title').length") == 2
    traces = browser.run("return [...document.querySelectorAll('.trace')].map(trace => trace.textContent)")
    assert isinstance(traces, list)
    assert any(
        "<script>document.title='taken';alert(1)</script> & &amp; </style></title> ]]> <!--" in t
        for t in traces
    )
    assert any(
        "aU+0000bU+001B[2J U+200Bzero <img src=x onerror=alert(2)> U+000D\nline U+0085 www" in t
        for t in traces
    )
    assert any("<!-- U+202EreversedU+202C" in trace for trace in traces)
    assert HOSTILE.answer in traces
    assert CHANGED.answer in traces


def test_names_and_times_of_a_receipt_are_text_of_bounded_length(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    hostile = "</title><script>alert(1)</script>\u202e"
    receipt: dict[str, object] = {"name": hostile, "created": "<img src=x onerror=alert(2)>" + "9" * 10_000}
    manifests = (replace(two.manifests[0], receipt=receipt), two.manifests[1])
    opened(browser, store, replace(two, manifests=manifests), tmp_path)
    assert not browser.has_dialog()
    assert browser.run("return document.title") == hostile.replace("\u202e", "\ufffd") + " × session2"
    assert browser.run("return document.querySelectorAll('script, img').length") == 0
    text = browser.run("return document.body.textContent")
    assert isinstance(text, str)
    assert "<img src=x onerror=alert(2)>9" in text
    assert "9" * 20 not in text


def test_its_policy_would_stop_what_escaping_let_through(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    opened(browser, store, two, tmp_path)
    browser.run(
        "const add = (name, text) => { const element = document.createElement(name); element.textContent = text;"
        "  document.body.append(element); };"
        "add('script', \"document.title = 'taken'\"); add('style', 'body { display: none }');"
        "document.body.append(Object.assign(document.createElement('img'), {src: 'audit.png'}));"
    )
    assert browser.run("return document.title") == "session1 × session2"
    assert browser.run("return getComputedStyle(document.body).display") == "block"
    assert sum("Content Security Policy" in message for message in browser.console()) == 3


def test_the_words_that_differ_are_marked(browser: Browser, store: Store, two: Audit, tmp_path: Path) -> None:
    opened(browser, store, two, tmp_path)
    marks = browser.run("return [...document.querySelectorAll('.trace mark')].map(mark => mark.textContent)")
    assert isinstance(marks, list)
    assert {"zero", "one", "Again"} <= {mark.strip(" .") for mark in marks}


@pytest.mark.parametrize("which", ["two", "four"])
@pytest.mark.parametrize("size", [PHONE, DESK, (320, 568)])
def test_the_page_never_scrolls_sideways(
    which: str,
    size: tuple[int, int],
    browser: Browser,
    store: Store,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    opened(browser, store, request.getfixturevalue(which), tmp_path, size)
    assert browser.run("return innerWidth") == size[0]
    assert browser.run("return document.documentElement.scrollWidth") == size[0]
    # What is wider than its box scrolls in it; nothing reaches out of the page.
    outside = "return [...document.querySelectorAll('main > *, section > *, article > *')]"
    outside += ".filter(element => element.getBoundingClientRect().right > innerWidth + 0.5).length"
    assert browser.run(outside) == 0


def test_texts_stand_side_by_side_where_there_is_room_and_read_in_their_own_direction(
    browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    tops = "return [...document.querySelectorAll('.trace + .trace')].map(second =>"
    tops += "second.getBoundingClientRect().top - second.previousElementSibling.getBoundingClientRect().top)"
    opened(browser, store, two, tmp_path)
    assert set(browser.numbers(tops)) == {0}
    for text, direction in ((CHANGED.answer, "rtl"), (HOSTILE.answer, "ltr")):
        found = (
            f"[...document.querySelectorAll('.trace')].find(trace => trace.textContent == {json.dumps(text)})"
        )
        assert browser.run(f"return getComputedStyle({found}).direction") == direction
    opened(browser, store, two, tmp_path, PHONE)
    assert min(browser.numbers(tops)) > 0


@pytest.mark.parametrize("tiers", [("row", "content", "near"), ("row",)])
@pytest.mark.parametrize("dark", [False, True])
def test_all_text_can_be_read_in_light_and_in_dark(
    tiers: tuple[str, ...], *, dark: bool, browser: Browser, store: Store, two: Audit, tmp_path: Path
) -> None:
    page = opened(browser, store, replace(two, tiers=tiers), tmp_path)
    browser.emulate(*DESK, dark=dark)
    browser.open(page)
    assert min(browser.numbers(CONTRAST)) >= 4.5


def test_dark_is_dark_and_paper_is_white(browser: Browser, store: Store, two: Audit, tmp_path: Path) -> None:
    page = opened(browser, store, two, tmp_path)
    grounds = []
    for dark, paper in ((False, False), (True, False), (True, True)):
        browser.emulate(*DESK, dark=dark, print_=paper)
        browser.open(page)
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(20, 21, 23)", "rgb(255, 255, 255)"]
    assert min(browser.numbers(CONTRAST)) >= 4.5


@pytest.mark.parametrize("which", ["two", "four"])
def test_headings_and_tables_can_be_followed_by_ear(
    which: str, browser: Browser, store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    opened(browser, store, request.getfixturevalue(which), tmp_path)
    assert browser.run("return document.documentElement.lang") == "en"
    levels = browser.numbers(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    bare = "table:not(:has(caption)), th:not([scope]), .scroll:not([tabindex])"
    assert browser.run(f"return document.querySelectorAll('{bare}').length") == 0
    assert browser.run("return document.querySelectorAll('table').length") != 0
