"""Chromium, steered over its DevTools protocol: pages are opened, keys are pressed, and what stands there is read."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from browser import FLAGS, need_chromium
from patience import PATIENCE, wait_until
from websockets.sync.client import ClientConnection, connect

KEYS = {
    "Enter": ("\r", 13),
    "Escape": ("", 27),
    "Tab": ("", 9),
    "ArrowLeft": ("", 37),
    "ArrowRight": ("", 39),
}  # text and code
ALT, CTRL, SHIFT = 1, 2, 8


class PageError(AssertionError):
    """A script of the page went wrong, or what was asked of it did."""


class Browser:
    """A running Chromium with one tab. Enter it with `with`; what a page logs or breaks is in `logged`."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.logged: list[str] = []

    def __enter__(self) -> Browser:
        with ExitStack() as ends:
            profile = ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            process = subprocess.Popen(
                [need_chromium(), *FLAGS, "--no-proxy-server", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            ends.callback(_end, process)
            told = Path(profile, "DevToolsActivePort")
            wait_until(lambda: told.is_file() and len(told.read_text().splitlines()) == 2)
            port, path = told.read_text().splitlines()
            address = f"ws://127.0.0.1:{port}{path}"
            self._socket: ClientConnection = ends.enter_context(connect(address, max_size=None, proxy=None))
            targets = self.send("Target.getTargets")["targetInfos"]
            tab = next(target["targetId"] for target in targets if target["type"] == "page")
            self._session = self.send("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
            self.send("Emulation.setFocusEmulationEnabled", enabled=True)  # no window has the focus of a screen
            self._ends = ends.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self._ends.close()

    def send(self, method: str, **given: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens meanwhile is looked at."""
        number = next(self._numbers)
        about = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": given, **about}))
        while True:
            said = json.loads(self._socket.recv(timeout=PATIENCE))
            if said.get("id") == number:
                if "error" in said:
                    raise PageError(f"{method}: {said['error']}")
                return said["result"]
            self._look_at(said)

    def _look_at(self, said: dict[str, Any]) -> None:
        about = said.get("params", {})
        if said["method"] == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.logged.append(details.get("exception", {}).get("description", details["text"]))
        elif said["method"] == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.logged.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif said["method"] == "Page.javascriptDialogOpening":
            self.logged.append(f"a dialog: {about['message']}")
            self._socket.send(json.dumps({"id": next(self._numbers), "method": "Page.handleJavaScriptDialog",
                                          "params": {"accept": False}, "sessionId": self._session}))  # fmt: skip

    def open(self, address: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.send("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""

        def holds() -> bool:
            try:
                return bool(self.run(f"Boolean({script})"))
            except PageError as e:  # a page that is being left answers nothing
                if "context" not in str(e):
                    raise
                return False

        try:
            wait_until(holds)
        except AssertionError as e:
            raise PageError(f"never: {script}; {self.logged}") from e

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key as a person does, wherever the focus is."""
        text, code = KEYS.get(key, (key, ord(key.upper()[:1])))
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        typed = {"text": text, "unmodifiedText": text} if text and not modifiers & (ALT | CTRL) else {}
        self.send("Input.dispatchKeyEvent", type="keyDown" if typed else "rawKeyDown", **about, **typed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Put a text where the focus is, in place of what is selected there."""
        self.send("Input.insertText", text=text)

    def select_all(self) -> None:
        """Select all that stands in the field that has the focus."""
        self.run("document.activeElement.select()")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Show the page on a screen of so many pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def take_picture(self, target: Path) -> None:
        """Write a PNG of what is seen."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # it has children of its own, which go with it
    process.wait()


def address_in(line: str) -> str:
    """The address of a page in what its server printed."""
    found = re.search(r"http://127\.0\.0\.1:\d+/\S*", line)
    assert found, line
    return found[0]
