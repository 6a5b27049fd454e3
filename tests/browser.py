"""Chromium without a window, for tests that look at a page as its readers do.

Speaks the DevTools protocol over ``--remote-debugging-pipe``: JSON, each message ended by a NUL,
in on descriptor 3 and out on descriptor 4. So no port is open, and no package is needed.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

PATIENCE = 60  # seconds for one answer; a hung browser fails the test, and no more than that

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

# Not a shell: the one of Debian cannot redirect from a descriptor of two digits.
_RUN = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab. What the page complains about is kept in ``complaints``."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self._process = process
        self._commands = commands
        self._answers = answers
        self._received = b""
        self._last_id = 0
        self._session = ""
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    def attach(self) -> Self:
        """Open the tab and listen to its log."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Accessibility"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        return self

    def look_like(self, width: int, scheme: Literal["light", "dark"]) -> None:
        """Take the size of a screen, in CSS pixels, and its reader's preference."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])

    def open(self, url: str) -> None:
        """Load a page and wait until all of it is there."""
        self._events.clear()
        self.send("Page.navigate", url=url)
        self._wait_for_load()

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def send_form(self, text: str) -> None:
        """Type a text and Enter, and wait for the next page."""
        self.send("Input.insertText", text=text)
        self._events.clear()
        self.press("Enter", 13, text="\r")
        self._wait_for_load()

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key.

        Args:
            key: its name.
            code: its virtual key code on Windows.
            text: what it writes; empty for nothing.
        """
        facts = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
        self.send("Input.dispatchKeyEvent", type="keyUp", **facts)

    def _wait_for_load(self) -> None:
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()

    def accessible(self, role: str) -> list[str]:
        """Return the names by which a screen reader calls the things of a role."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            node.get("name", {}).get("value", "")
            for node in nodes
            if not node.get("ignored") and node.get("role", {}).get("value") == role
        ]

    def screenshot(self, path: Path) -> None:
        """Write the whole page, not only what fits the screen, as PNG."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def close(self) -> None:
        """End the browser and all its processes."""
        os.close(self._commands)  # for a browser driven by a pipe, the sign to leave
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
        os.close(self._answers)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            readable, _, _ = select.select([self._answers], [], [], PATIENCE)
            data = os.read(self._answers, 1 << 20) if readable else b""
            if not data:
                raise AssertionError("chromium has gone, or is silent")
            self._received += data
        raw, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if "method" in message:
            self._events.append(message)
            self._note(message["method"], message["params"])
        return message

    def _note(self, method: str, params: Mapping[str, Any]) -> None:
        """Keep what stands in the console: errors, violations of the CSP, failed loads."""
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning")
        ):
            self.complaints.append(json.dumps(params))


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are out of the way of descriptors 3 and 4."""
    ends = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reader, writer


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser with a new profile, and end it.

    Args:
        profile: an empty directory.
    """
    program = shutil.which("chromium")
    assert program is not None, "chromium is missing: apt-get install chromium"
    their_in, our_out = _pipe()
    our_in, their_out = _pipe()
    arguments = (*_FLAGS, f"--user-data-dir={profile}", "about:blank")
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(their_in), str(their_out), program, *arguments],
        pass_fds=(their_in, their_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(their_in)
    os.close(their_out)
    browser = Browser(process, our_out, our_in)
    try:
        yield browser.attach()
    finally:
        browser.close()
