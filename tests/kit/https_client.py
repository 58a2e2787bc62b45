"""A client of the web services on a real connection: Python's own, which checks the certificate."""

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tests.kit.enrollment import WebAnswer


class HttpsLine:
    """One connection, made when something is asked for; it stays open as long as the server likes.

    Args:
        ca: The authority that is trusted, and no other.
    """

    def __init__(self, ca: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(ca))
        self._line: http.client.HTTPSConnection | None = None

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> WebAnswer:
        """Ask."""
        parts = urlsplit(address)
        if self._line is None:
            self._line = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, context=self._context, timeout=20
            )
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._line.request(method, path, body, dict(headers))
        answer = self._line.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        challenges = tuple(value for name, value in answer.getheaders() if name.lower() == "www-authenticate")
        return WebAnswer(answer.status, found, answer.read(), challenges)

    def close(self) -> None:
        """Close it."""
        if self._line is not None:
            self._line.close()
