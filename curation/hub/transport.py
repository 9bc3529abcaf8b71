"""Requests to one Hub: bounded patience, the token for that Hub alone, and every failure as one SourceError.

The Hub's HTTP is spoken here and not through `hf_hub_download`, for three reasons, seen in huggingface_hub 1.33: it
throws away what it has of a file when a download fails, it sleeps as long as a `Retry-After` says, and it sends the
token along with a redirect to another port, or to plain HTTP, on the same host name. Cache, token, endpoint and offline
mode are those of huggingface_hub.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx

from curation.errors import SourceError
from curation.hub.settings import HubSettings
from manifests.command import printable

_PASSING = frozenset({408, 429, 500, 502, 503, 504})  # answers that another try may change
_WORTH_A_RETRY = 1 << 20  # bytes; a try that brought this much starts the count of failures anew
_MOST_REDIRECTS = 5
_LARGEST_ANSWER = 64 << 20  # bytes of one JSON answer
_LONGEST_SHOWN = 200  # characters of a server's own words in a message
# draft-ietf-httpapi-ratelimit-headers-09, as the Hub writes it: "api";r=0;t=55
_NOTHING_LEFT = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,9})\b")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried, and how long it is waited for, in seconds.

    Waits double from `first_wait` up to `longest_own_wait`, unless the Hub says how long; being told to wait longer
    than `longest_wait` ends the trying. `silence` is how long a connection may stay without a byte.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_own_wait: float = 30.0
    longest_wait: float = 330.0  # the Hub counts requests in windows of five minutes
    silence: float = 30.0


class Asked(NamedTuple):
    """What a request is about, for messages: the source and its repository, and the thing that is sought there."""

    source: str
    hub: str
    what: str

    @property
    def where(self) -> str:
        """How messages begin."""
        return f"source {self.source}: {self.hub}"


class PassingError(Exception):
    """A failure that another try may mend. `wait` is how long the Hub asks to wait, in seconds, if it does."""

    def __init__(self, reason: str, wait: float | None = None, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.refused = wait, refused


def quiet(_notice: str) -> None:
    """Tell nobody."""


class HubHttp:
    """Requests to the Hub of `settings`. `received` counts the bytes of bodies; `notice` is told of waits.

    For one process; to be closed, or used in a `with`.
    """

    def __init__(
        self, settings: HubSettings, notice: Callable[[str], None] = quiet, patience: Patience | None = None
    ) -> None:
        self.settings, self.notice = settings, notice
        self.patience = patience or Patience()
        self.received = 0
        self._answered = False  # until the first answer a connection that can't be made is no passing trouble
        self._client = httpx.Client(
            follow_redirects=True, max_redirects=_MOST_REDIRECTS, timeout=self.patience.silence
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def json(self, asked: Asked, path: str, **query: str) -> tuple[object, str | None]:
        """The JSON value at a path of the Hub's API, and the cursor of its next page if there is one.

        Raises SourceError.
        """

        def once() -> tuple[object, str | None]:
            with self.answer(asked, path, query=query) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += self.counted(chunk)
                    if len(data) > _LARGEST_ANSWER:
                        raise SourceError(f"{asked.where}: the Hub's answer about {asked.what} has no end")
                return json.loads(data), _cursor(response)

        try:
            return self.persist(asked, once)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{asked.where}: the answer about {asked.what} is no JSON; is HF_ENDPOINT the address of a Hub?"
            ) from error

    def persist(self, asked: Asked, once: Callable[[], T], position: Callable[[], int] = int) -> T:
        """What `once` returns, called again as long as it fails in passing and patience lasts.

        `position` is how far a download has come: a try that brought something is no failure. Raises SourceError.
        """
        failures, reached = 0, position()
        while True:
            try:
                return once()
            except PassingError as passing:
                if position() - reached >= _WORTH_A_RETRY:
                    failures, reached = 0, position()
                failures += 1
                self._wait_or_give_up(asked, passing, failures)

    def _wait_or_give_up(self, asked: Asked, passing: PassingError, failures: int) -> None:
        patience = self.patience
        own = min(patience.first_wait * 2 ** (failures - 1), patience.longest_own_wait)
        wait = own if passing.wait is None else passing.wait
        if passing.refused and not self._answered:
            host = urlsplit(self.settings.endpoint).netloc
            raise SourceError(
                f"{asked.where}: {host} can't be reached ({passing}); check the network and HF_ENDPOINT, "
                "or set HF_HUB_OFFLINE=1 to work from the cache"
            ) from passing
        if failures >= patience.tries:
            raise SourceError(
                f"{asked.where}: {asked.what}: gave up after {failures} tries ({passing}); run the command again "
                "later, it goes on where it stopped"
            ) from passing
        if wait > patience.longest_wait:
            raise SourceError(
                f"{asked.where}: {asked.what}: the Hub asks to wait {wait:,.0f} s ({passing}); run the command again "
                "then, it goes on where it stopped"
            ) from passing
        self.notice(f"{asked.hub}: {passing}; trying again in {wait:,.0f} s")
        time.sleep(wait)

    @contextmanager
    def answer(
        self, asked: Asked, path: str, *, query: Mapping[str, str] | None = None, span: str | None = None
    ) -> Iterator[httpx.Response]:
        """An answer that is no refusal, its body still to be read. `path` is quoted; `span` the value of `Range`.

        The token goes to the endpoint's own origin; httpx drops it when a redirect leads to another host, port or
        scheme. Raises PassingError when another try may help, else SourceError.
        """
        settings = self.settings
        self.check_online(asked)
        headers = {"accept-encoding": "identity", "user-agent": "tunix-zero-cost"}
        if settings.token is not None:
            headers["authorization"] = f"Bearer {settings.token}"
        if span is not None:
            headers["range"] = span
        try:
            url = f"{settings.endpoint}{path}"
            with self._client.stream("GET", url, headers=headers, params=query) as response:
                self._answered = True
                if not response.is_success:
                    self._refuse(asked, response)
                yield response
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
            reason = self._shown(str(error)) or type(error).__name__
            raise PassingError(reason, refused=isinstance(error, httpx.ConnectError)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(
                f"{asked.where}: {asked.what}: {self._shown(str(error))}; check HF_ENDPOINT and the proxy settings"
            ) from error

    def check_online(self, asked: Asked) -> None:
        """Raise SourceError in offline mode."""
        if self.settings.offline:
            raise SourceError(
                f"{asked.where}: {asked.what} is not in the cache, and HF_HUB_OFFLINE is set; "
                "run the command once with the network"
            )

    def counted(self, chunk: bytes) -> bytes:
        """A chunk of a body, counted."""
        self.received += len(chunk)
        return chunk

    def _refuse(self, asked: Asked, response: httpx.Response) -> None:
        status, code = response.status_code, response.headers.get("x-error-code", "")
        words = self._shown(response.headers.get("x-error-message", ""))
        answer = f"{response.url.host} answered {status}" + (f", {words}" if words else "")
        if status in _PASSING:
            raise PassingError(answer, wait_asked_for(response.headers, time.time()))
        page = f"{self.settings.endpoint}/datasets/{asked.hub}"
        known = self.settings.token is not None
        if code == "GatedRepo":
            told = f"it is gated; accept its terms at {page}" + (
                " with the account of HF_TOKEN" if known else " and set HF_TOKEN"
            )
        elif code == "RevisionNotFound":
            told = f"no {asked.what}; check 'revision', or let `curation pin` find the newest"
        elif code == "EntryNotFound":
            told = f"no {asked.what}; check 'files', or pin the recipe again"
        elif code == "RepoNotFound" or (status == httpx.codes.NOT_FOUND and not code):
            told = "no such dataset, or a private one; check 'hub'" + (
                " and what HF_TOKEN may read" if known else ", or set HF_TOKEN"
            )
        elif status == httpx.codes.UNAUTHORIZED:
            told = "HF_TOKEN is refused; check it" if known else "it needs a token; set HF_TOKEN"
        elif status == httpx.codes.FORBIDDEN:
            told = f"{asked.what} is forbidden; check what HF_TOKEN may read"
        else:
            told = f"{asked.what} can't be had; check 'hub', 'revision' and HF_ENDPOINT"
        raise SourceError(f"{asked.where}: {told} ({answer})")

    def _shown(self, words: str) -> str:
        """A server's or a library's words: short, on one line, and never with the token."""
        if self.settings.token is not None:
            words = words.replace(self.settings.token, "***")
        words = printable(words.strip())
        return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}…"


def wait_asked_for(headers: httpx.Headers, now: float) -> float | None:
    """How many seconds an answer asks to wait: by `RateLimit` (nothing left, so many seconds) or `Retry-After`.

    `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3); what is neither asks for nothing.
    """
    value = headers.get("retry-after", "").strip()
    try:
        if limit := _NOTHING_LEFT.search(headers.get("ratelimit", "")):
            return float(limit[1])
        if re.fullmatch("[0-9]{1,9}", value):
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, OverflowError):
        return None


def _cursor(response: httpx.Response) -> str | None:
    """The cursor in the link to the next page. Of the link nothing else is used: it may name any host."""
    link = response.links.get("next", {}).get("url", "")
    return next(iter(parse_qs(urlsplit(link).query).get("cursor", ())), None)
