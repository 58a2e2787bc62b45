"""A fixed piece of work that resembles a server's, done on the servers' core: the unit of this machine, and its noise.

One step of the piece reads a TLS record from a loopback socket, takes its lines apart, finds a few
things in tables that are larger than the caches, makes and compares a keyed MD5, and sends a record.
A machine that is slow in the interpreter, in the kernel, in OpenSSL or in its memory is slow here in
the same proportion, more or less; a loop of pure Python, which stays in the innermost cache, is not.

`python -m bench.piece FOLDER STEPS` is the process that does it, whenever it reads a line.
"""

import hmac
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine

STEPS: Final = 2_000
TABLE: Final = 60_000
"""Entries, of some 600 bytes each: more than a second-level cache holds, as with the state of many users."""

FOUND: Final = 12
"""Entries that are looked up in each step."""

_STRIDE: Final = 7_919
_KEY: Final = b"sixteen bytes 16"
_MESSAGE: Final = "\r\n".join(
    f"Header-{n}: <sip:user{n:05}@example.test>;tag=5f{n:08x};epid={n:012x}" for n in range(12)
)


@dataclass(frozen=True, slots=True)
class Quiet:
    """How the machine was when it was asked."""

    step_us: float
    """Processor time of one step."""

    waited: float
    """Time by the clock for each second of it: above 1, others wanted the core."""

    stolen_s: float
    """Seconds that the hypervisor took from all cores, since the last time."""


class Piece:
    """The process that does the work."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._stolen = machine.steal_s()

    def done(self) -> Quiet:
        """Have it done once."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None, "asked for"
        assert out is not None, "asked for"
        into.write("\n")
        into.flush()
        step_us, waited = (float(word) for word in out.readline().split())
        before, self._stolen = self._stolen, machine.steal_s()
        return Quiet(step_us, waited, self._stolen - before)


@contextmanager
def piece(certificates: Path, steps: int = STEPS) -> Iterator[Piece]:
    """Have the process at hand.

    Args:
        certificates: A folder with server.pem and server.key.
        steps: How often it does the piece each time.
    """
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(
        [sys.executable, "-m", "bench.piece", str(certificates), str(steps)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=machine.CORES.keep_server,
    ) as process:
        try:
            found = Piece(process)
            found.done()
            yield found
        finally:
            process.kill()


class _Entry:
    def __init__(self, number: int) -> None:
        self.number = number
        self.address = f"sip:user{number:05}@example.test"
        self.headers = {"Call-ID": f"{number:032x}", "From": f"<{self.address}>;tag={number:08x}"}


class _Work:
    def __init__(self, one: ssl.SSLSocket, other: ssl.SSLSocket) -> None:
        self._one, self._other = one, other
        self._table = {f"{n:08x}": _Entry(n) for n in range(TABLE)}
        self._keys = list(self._table)
        self._at = 0

    def step(self) -> None:
        """Do it once."""
        self._one.send(_MESSAGE.encode())
        heard = self._other.recv(8192).decode()
        lines = dict(line.split(": ", 1) for line in heard.split("\r\n"))
        total = 0
        for _ in range(FOUND):
            self._at = (self._at + _STRIDE) % TABLE
            entry = self._table[self._keys[self._at]]
            total += len(entry.address) + len(entry.headers["Call-ID"])
            entry.number += 1
        proof = hmac.digest(_KEY, "".join(f"<{value}>" for value in lines.values()).encode(), "md5").hex()
        self._other.send(f"{proof}\r\n{total}\r\n{heard}".encode())
        if not self._one.recv(8192).startswith(proof.encode()):
            raise AssertionError("what was sent did not come")


def _pair(certificate: Path, key: Path) -> Sequence[ssl.SSLSocket]:
    """Give two ends of one TLS connection through the loopback device."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    offering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offering.load_cert_chain(certificate, key)
    believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    believing.check_hostname, believing.verify_mode = False, ssl.CERT_NONE
    ends = [
        believing.wrap_socket(client, do_handshake_on_connect=False),
        offering.wrap_socket(server, do_handshake_on_connect=False, server_side=True),
    ]
    for end in ends:
        end.setblocking(False)
    left = list(ends)
    while left:
        for end in tuple(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                select.select([end], [], [], 0.01)
    for end in ends:
        end.setblocking(True)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ends


def _serve(folder: Path, steps: int) -> None:
    work = _Work(*_pair(folder / "server.pem", folder / "server.key"))
    for _ in sys.stdin:
        began, used = time.monotonic(), time.process_time()
        for _ in range(steps):
            work.step()
        spent = time.process_time() - used
        print(spent / steps * 1e6, (time.monotonic() - began) / spent, flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
