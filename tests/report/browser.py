# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Chromium, driven by the Chrome DevTools Protocol over a pipe: needs the browser and nothing else."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import time
import typing as t

#: The smallest first: Debian's chromium-headless-shell is Chromium without its windows.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE = 60.0


def executable() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, "no browser: install one of %s" % ", ".join(_NAMES)
    return found


class Browser:
    """One process of the browser; use it as a context."""

    def __init__(self, profile: pathlib.Path) -> None:
        self._profile = profile
        self._number = 0
        self._buffer = b""
        self.events: list[dict[str, t.Any]] = []

    def __enter__(self) -> t.Self:
        arguments = [
            executable(),
            "--headless",
            "--remote-debugging-pipe",  # commands on descriptor 3, answers on 4
            "--user-data-dir=%s" % self._profile,
            "--disable-background-networking",
            "--disable-dev-shm-usage",  # a container's is small
            "--disable-gpu",
            "--no-first-run",
        ]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium does not start as root with it
        their_in, self._out = _pipe()
        self._in, their_out = _pipe()
        null = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        handed = [(os.POSIX_SPAWN_DUP2, their_in, 3), (os.POSIX_SPAWN_DUP2, their_out, 4), null]
        self._pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=handed)
        os.close(their_in)
        os.close(their_out)
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        deadline = time.monotonic() + 5
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
                deadline += _PATIENCE
            time.sleep(0.02)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, session: str | None = None, **parameters: t.Any) -> dict[str, t.Any]:
        """Send a command, return its result; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, "%s: %s" % (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def wait(self, session: str, method: str) -> None:
        def came() -> bool:
            return any(event.get("sessionId") == session and event["method"] == method for event in self.events)

        while not came():
            self.events.append(self._read())

    def _read(self) -> dict[str, t.Any]:
        while b"\0" not in self._buffer:
            ready, _w, _x = select.select([self._in], [], [], _PATIENCE)
            assert ready, "the browser has not answered for %d seconds" % _PATIENCE
            more = os.read(self._in, 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _nul, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """One page in the browser, at one width of the window, in one colour scheme."""

    def __init__(
        self, browser: Browser, file: pathlib.Path, width: int = 1280, scheme: str = "light", scripts: bool = True
    ) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[scheme_feature])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.url = file.resolve().as_uri()
        self.call("Page.navigate", url=self.url)
        browser.wait(self._session, "Page.loadEventFired")

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        return self._browser.call(method, self._session, **parameters)

    def run(self, expression: str) -> t.Any:
        """Return what a JavaScript expression gives on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, **extra}
            self.call("Input.dispatchKeyEvent", **event)

    def requests(self) -> list[str]:
        """Return every address that the page asked for, its own one among them."""
        return [event["params"]["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[t.Any]:
        """Return what the console shows, and exceptions."""
        methods = (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        )
        return [event["params"] for event in self._events(*methods)]

    def screenshot(self, file: pathlib.Path, whole: bool = False) -> None:
        options: dict[str, t.Any] = {"captureBeyondViewport": True} if whole else {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def _events(self, *methods: str) -> list[dict[str, t.Any]]:
        self.run("1")  # whatever came before this answer has been read
        return [
            event
            for event in self._browser.events
            if event.get("sessionId") == self._session and event.get("method") in methods
        ]


def _pipe() -> tuple[int, int]:
    """Make a pipe whose ends are not among the descriptors that are handed over."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing
