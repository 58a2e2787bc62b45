"""A real browser without a window: Debian's Chromium, and a site of the test's own for it to be on."""

import http.server
import json
import os
import queue
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or ""
"""Empty where it is not installed."""

PATIENCE_S: Final = 60.0

BROWSER_FLAGS: Final = (
    "--headless",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    # As root, Chromium cannot give up rights in its usual way.
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),
)
"""Of every browser."""

_RUNNING: Final = """<script>
(async () => {SCRIPT})()
    .catch(error => "error: " + error)
    .then(result => fetch(location.href, {method: "POST", body: JSON.stringify(result)}));
</script>"""


class BrowserFailed(AssertionError):
    """The browser did not do what it has to."""


class Intranet:
    """A site: pages of the test's own over plain HTTP on 127.0.0.1, whose scripts tell their results."""

    def __init__(self) -> None:
        """Serve nothing yet."""
        self._pages: dict[str, str] = {}
        self._results: queue.Queue[Any] = queue.Queue()  # Any: JSON
        pages, results = self._pages, self._results

        class Pages(http.server.BaseHTTPRequestHandler):
            """Gives a page, or takes its result."""

            def do_GET(self) -> None:
                """Give it."""
                self._say(200 if self.path in pages else 404, pages.get(self.path, ""))

            def do_POST(self) -> None:
                """Take what its script found."""
                results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._say(200, "")

            def _say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Intranet":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def origin(self) -> str:
        """Give what a browser calls this site."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def page(self, body: str, script: str = "") -> str:
        """Put up a page and give its address; the script is the body of an async function that returns its result."""
        path = f"/page-{len(self._pages)}.html"
        running = _RUNNING.replace("SCRIPT", script) if script else ""
        self._pages[path] = f"<!doctype html><html lang=en><body>{body}{running}</body></html>"
        return self.origin + path

    def result(self) -> Any:  # Any: JSON
        """Wait for what the next script tells."""
        return self._results.get(timeout=PATIENCE_S)


class Browser:
    """Opens pages, each in a fresh process with a fresh profile."""

    def __init__(self, folder: Path, *certificates: Path) -> None:
        """Keep profiles and pictures in this folder, and trust the keys of these certificates (PEM) as if an authority had."""
        self._folder = folder
        self._trusted = ",".join(one for file in certificates for one in fingerprints(file))
        self._number = 0

    def run(self, site: Intranet, body: str, script: str) -> Any:  # Any: JSON
        """Open a page and give what its script returns, or what it threw as text that begins with "error: "."""
        # Told over HTTP, and in real time: with a time of its own the browser would keep no cache.
        words = self._words("--remote-debugging-port=0", site.page(body, script))
        log = self._folder / f"browser-{self._number}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(words, stdout=out, stderr=out, env=self._environment())
        try:
            return site.result()
        except queue.Empty:
            raise BrowserFailed(f"the page came to no result: {log.read_text('utf-8', 'replace')[-2000:]}") from None
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def photograph(self, address: str, width: int = 800, height: int = 600) -> Path:
        """Open a page and give the file of its picture (PNG)."""
        picture = self._folder / f"picture-{self._number}.png"
        words = self._words(
            f"--screenshot={picture}", f"--window-size={width},{height}", "--virtual-time-budget=5000", address
        )
        done = subprocess.run(
            words, capture_output=True, timeout=PATIENCE_S, check=False, env=self._environment(), text=True
        )
        if done.returncode or not picture.exists():
            raise BrowserFailed(f"no picture was taken: {done.stderr[-2000:]}")
        return picture

    def _words(self, *words: str) -> list[str]:
        self._number += 1
        given = [
            CHROMIUM,
            *BROWSER_FLAGS,
            # Not all errors are ignored: what came over a connection with errors is never kept by the cache.
            f"--ignore-certificate-errors-spki-list={self._trusted}",
            f"--user-data-dir={self._folder / f'profile-{self._number}'}",
        ]
        return [*given, *words]

    def _environment(self) -> dict[str, str]:
        return home_environment(self._folder)


def home_environment(folder: Path) -> dict[str, str]:
    """Give a browser a home of its own: nothing of this machine's user is read or written."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def fingerprints(file: Path) -> Iterator[str]:
    """Give the digest of the key of each certificate in a file, as Chromium wants it."""
    for certificate in x509.load_pem_x509_certificates(file.read_bytes()):
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        yield b64encode(sha256(key).digest()).decode()
