"""The first words of a registrar that offers one scheme: it challenges, and hears what a client does then."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Final

COPIED: Final = ("via", "from", "to", "call-id", "cseq")


class RegistrarFront:
    """A port with TLS that answers every REGISTER without a token with 401.

    Args:
        certificate, key: Files, in PEM.
        challenge: The value of WWW-Authenticate.
        place: Address and port; 0: any.
    """

    def __init__(self, certificate: Path, key: Path, challenge: str, place: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._challenge = challenge
        self._heard = b""
        self._door = context.wrap_socket(socket.create_server(place), server_side=True)
        self._door.settimeout(0.2)
        self._lines: list[ssl.SSLSocket] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Give the port."""
        port: int = self._door.getsockname()[1]
        return port

    def heard(self) -> str:
        """Give all that clients have sent."""
        return self._heard.decode("utf-8", "replace")

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join(10)
        for line in self._lines:
            line.close()
        self._door.close()

    def _work(self) -> None:
        waiting: dict[ssl.SSLSocket, bytes] = {}
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                line, _ = self._door.accept()
                line.settimeout(0.05)
                self._lines.append(line)
                waiting[line] = b""
            for line in tuple(waiting):
                try:
                    data = line.recv(65_536)
                except TimeoutError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    del waiting[line]
                    continue
                self._heard += data
                *whole, waiting[line] = (waiting[line] + data).split(b"\r\n\r\n")
                for head in whole:
                    self._answer(line, head.decode("utf-8", "replace"))

    def _answer(self, line: ssl.SSLSocket, head: str) -> None:
        if not head.startswith("REGISTER ") or "gssapi-data=" in head:
            return
        lines = [one for one in head.split("\r\n")[1:] if one.partition(":")[0].lower() in COPIED]
        answer = [
            "SIP/2.0 401 Unauthorized",
            *lines,
            f"WWW-Authenticate: {self._challenge}",
            "Content-Length: 0",
            "",
            "",
        ]
        with contextlib.suppress(OSError):
            line.sendall("\r\n".join(answer).encode())
