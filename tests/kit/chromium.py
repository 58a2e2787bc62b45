"""A real Chromium that a test steers: one process for many pages, each looked at in any width, light or dark, by keyboard.

It is steered over a pipe (Chrome DevTools Protocol), so that what a page's own policy forbids is still seen from outside.
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.kit.browser import BROWSER_FLAGS, CHROMIUM, PATIENCE_S, BrowserFailed, fingerprints, home_environment
from tests.kit.certificates import Issued

_KEYS: Final[Mapping[str, Mapping[str, object]]] = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
}
_HIGH: Final = 20


class Chromium:
    """One browser with one page.

    Args:
        folder: For its profile.
        certificates: Files (PEM) whose keys are trusted.
        shows: Which certificate of its user it shows at a site ("https://127.0.0.1:4444") that asks for one.
    """

    def __init__(self, folder: Path, *certificates: Path, shows: Mapping[str, Issued] | None = None) -> None:
        """Start it."""
        _give_certificates(folder, shows or {})
        trusted = ",".join(one for file in certificates for one in fingerprints(file))
        heard, self._say = os.pipe()
        self._hear, said = os.pipe()
        # The browser wants them as 3 and 4, which may be taken here.
        high = [fcntl.fcntl(one, fcntl.F_DUPFD, _HIGH) for one in (heard, said)]
        words = [CHROMIUM, *BROWSER_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder / 'steered'}"]
        words.append(f"--ignore-certificate-errors-spki-list={trusted}")
        command = f'exec "$@" 3<&{high[0]} 4>&{high[1]}'
        with (folder / "steered.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", command, "chromium", *words],
                pass_fds=high,
                stdout=log,
                stderr=log,
                env=home_environment(folder),
            )
        for one in (heard, said, *high):
            os.close(one)
        self._number = 0
        self._unread = b""
        self._events: list[str] = []
        """Of the page, since somebody waited for one last."""

        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._say)
        os.close(self._hear)

    # --- what somebody does

    def looks(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Have a window of this size, and a wish for light or dark."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def runs_scripts(self, *, runs: bool) -> None:
        """Switch scripts of pages on or off."""
        self._ask("Emulation.setScriptExecutionDisabled", value=not runs)

    def allows_copies(self, origin: str) -> None:
        """Let pages of a site read what was copied."""
        self._ask(
            "Browser.grantPermissions", origin=origin, permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
        )

    def begins_with(self, script: str) -> None:
        """Have a script run on each page from now on, before its own."""
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def opens(self, address: str) -> None:
        """Open a page, and wait until it is there."""
        self._events.clear()
        found = self._ask("Page.navigate", url=address)
        if found.get("errorText"):
            raise BrowserFailed(f"{address}: {found['errorText']}")
        self._await("Page.loadEventFired")

    def types(self, text: str) -> None:
        """Type into what has the focus."""
        self._ask("Input.insertText", text=text)

    def presses(self, key: str) -> None:
        """Press a key."""
        self._ask("Input.dispatchKeyEvent", type="keyDown" if "text" in _KEYS[key] else "rawKeyDown", **_KEYS[key])
        self._ask(
            "Input.dispatchKeyEvent",
            type="keyUp",
            **{name: value for name, value in _KEYS[key].items() if name != "text"},
        )

    def presses_and_waits(self, key: str) -> None:
        """Press a key that opens another page."""
        self._events.clear()
        self.presses(key)
        self._await("Page.loadEventFired")

    # --- what they see

    def sees(self, expression: str) -> Any:  # Any: JSON
        """Give what an expression, or the promise that it gives, comes to on the page."""
        found = self._ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserFailed(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def photographs(self, file: Path) -> None:
        """Write a picture (PNG) of the whole page."""
        file.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    # --- the protocol

    def _ask(self, method: str, **params: object) -> Any:  # Any: JSON
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        os.write(
            self._say, json.dumps({"id": self._number, "method": method, "params": params, **session}).encode() + b"\0"
        )
        while True:
            message = self._message()
            if message.get("id") == self._number:
                if "error" in message:
                    raise BrowserFailed(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self._events.append(message["method"])

    def _await(self, event: str) -> None:
        """Wait for an event."""
        while event not in self._events:
            message = self._message()
            if "method" in message:
                self._events.append(message["method"])

    def _message(self) -> Any:  # Any: JSON
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._unread:
            if not select.select([self._hear], [], [], max(0.0, until - time.monotonic()))[0]:
                raise BrowserFailed("the browser says nothing any more")
            piece = os.read(self._hear, 1 << 20)
            if not piece:
                raise BrowserFailed("the browser is gone")
            self._unread += piece
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


def _give_certificates(folder: Path, shows: Mapping[str, Issued]) -> None:
    """Put certificates with their keys where a user has them, and say at which site each is shown, for nobody is there to be asked."""
    if not shows:
        return
    database = folder / ".pki/nssdb"
    database.mkdir(parents=True)
    exceptions = {}
    for number, (site, one) in enumerate(shows.items()):
        file = folder / f"mine-{number}.p12"
        hidden = BestAvailableEncryption(b"hidden")
        file.write_bytes(serialize_key_and_certificates(b"mine", one.key, one.certificate, None, hidden))
        words = ["pk12util", "-i", str(file), "-d", f"sql:{database}", "-W", "hidden", "-K", ""]
        subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE_S)
        name = one.certificate.subject.rfc4514_string().removeprefix("CN=")
        exceptions[f"{site},*"] = {"setting": {"filters": [{"SUBJECT": {"CN": name}}]}}
    profile = folder / "steered/Default"
    profile.mkdir(parents=True)
    chosen = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": exceptions}}}}
    (profile / "Preferences").write_text(json.dumps(chosen), "utf-8")
