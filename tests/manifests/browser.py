"""A real headless Chromium for the tests of pages, driven over WebDriver's HTTP protocol.

https://www.w3.org/TR/webdriver2/ and, for the two logs and the device's width, ChromeDriver's own commands.
"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, where it can't be had
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
_START_SECONDS = 60
_STARTS = 3


@dataclass(frozen=True)
class Browser:
    """A session of Chromium."""

    client: httpx.Client
    session: str

    def open(self, page: Path) -> None:
        """Load a file and wait for it; what was logged before is forgotten."""
        self._post("url", {"url": "about:blank"})
        self._log("browser"), self._log("performance")
        self._post("url", {"url": page.as_uri()})

    def run(self, script: str) -> object:
        """The value that a script returns. It runs outside the page's own policy."""
        return self._post("execute/sync", {"script": script, "args": []})

    def numbers(self, script: str) -> list[float]:
        """The list of numbers that a script returns."""
        value = self.run(script)
        assert isinstance(value, list), value
        return value

    def emulate(self, width: int, height: int, *, dark: bool = False, print_: bool = False) -> None:
        """Show pages as on a screen of this size, in light or dark, or as on paper."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools(
            "Emulation.setEmulatedMedia", {"media": "print" if print_ else "", "features": [scheme]}
        )

    def console(self) -> list[str]:
        """What was logged since the page was opened, errors of its policy among it."""
        return [str(entry["message"]) for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        events = [json.loads(str(entry["message"]))["message"] for entry in self._log("performance")]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def has_dialog(self) -> bool:
        """Whether a dialog of a script is open."""
        return not self.client.get(f"{self.session}/alert/text").is_error

    def dismiss(self) -> None:
        """Close the dialog that is open."""
        self._post("alert/dismiss", {})

    def screenshot(self, target: Path) -> None:
        """A picture of the whole page, as PNG."""
        shot = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        target.write_bytes(base64.b64decode(str(shot["data"])))

    def _devtools(self, command: str, parameters: Mapping[str, object]) -> dict[str, object]:
        value = self._post("goog/cdp/execute", {"cmd": command, "params": dict(parameters)})
        assert isinstance(value, dict), value
        return value

    def _log(self, kind: str) -> list[dict[str, object]]:
        value = self._post("se/log", {"type": kind})
        assert isinstance(value, list), value
        return value

    def _post(self, command: str, body: Mapping[str, object]) -> object:
        answer = self.client.post(f"{self.session}/{command}", json=dict(body))
        assert not answer.is_error, answer.text
        return answer.json()["value"]


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `folder`, gone at the end. Skips where Chromium is not installed."""
    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if program is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed: the page is not opened in a browser")
    with (folder / "driver.log").open("wb") as log:
        process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        with httpx.Client(base_url=_address(process), timeout=_START_SECONDS, trust_env=False) as client:
            session = _session(client, program, folder)
            try:
                yield Browser(client, f"session/{session}")
            finally:
                client.delete(f"session/{session}")
    finally:
        process.terminate()
        process.wait(_START_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
        _wait_until_gone(folder)


def _wait_until_gone(folder: Path) -> None:
    """Wait for the last processes of the browser: they outlive the driver, and still write into the profile.

    They are told by their profile, which is theirs alone.
    """
    mark = f"--user-data-dir={folder}/".encode()
    deadline = time.monotonic() + _START_SECONDS
    while any(mark in line for line in _command_lines()):
        assert time.monotonic() < deadline, "Chromium is still running"
        time.sleep(0.05)


def _command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended since
            yield (process / "cmdline").read_bytes()


def _session(client: httpx.Client, program: str, folder: Path) -> str:
    """Start the browser; on a busy machine it may need a second try, with a fresh profile."""
    told = ""
    for attempt in range(_STARTS):
        capabilities = {
            "goog:chromeOptions": {
                "binary": program,
                "args": [*_FLAGS, f"--user-data-dir={folder / f'profile-{attempt}'}"],
            },
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "unhandledPromptBehavior": "ignore",
        }
        answer = client.post("session", json={"capabilities": {"alwaysMatch": capabilities}})
        if not answer.is_error:
            return str(answer.json()["value"]["sessionId"])
        told = answer.text
    raise AssertionError(f"Chromium did not start: {told}")


def _address(process: subprocess.Popen[str]) -> str:
    """Where the driver listens: it chooses a free port and says which."""
    assert process.stdout is not None
    for line in process.stdout:
        if " was started successfully on port " in line:
            port = line.rstrip().rstrip(".").rpartition(" ")[2]
            return f"http://127.0.0.1:{port}/"
    raise AssertionError("chromedriver ended before it listened")
