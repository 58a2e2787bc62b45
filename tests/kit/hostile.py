"""What ill will and bad luck send, and how a server looks that stood it.

Everything random comes from a `random.Random` that the test seeds and prints.
"""

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from lyncpy.sip.message import Headers, Request, Response
from tests.kit.caller import Caller, Gone, Line, Silence
from tests.kit.server import RunningServer

TORTURE: Final = Path(__file__).parents[1] / "corpus" / "torture"
CLIENTS: Final = Path(__file__).parents[1] / "corpus" / "clients"

PATIENT: Final = {
    "limits__requests_per_s": 100_000.0,
    "limits__requests_burst": 1_000_000.0,
    "auth__tries_per_user": 1000,
    "auth__tries_per_address": 100_000,
}
"""Settings under which a test may ask as fast and as wrongly as it likes."""

_ALARMS: Final = re.compile(r"Traceback|Unhandled|#critical|#error|Temporarily disabling observer")


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Fail a test that takes longer, wherever it hangs, and close the connections that it leaves."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        Line.close_all()


def assert_calm(server: RunningServer) -> None:
    """See that nothing in the server's log speaks of a bug."""
    log = server.log()
    found = _ALARMS.search(log)
    assert found is None, log[max(0, found.start() - 400) : found.start() + 3000]


def resident_kb(pid: int) -> int:
    """Give how much memory a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def open_sockets(pid: int) -> int:
    """Count the connections and doors of a process."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += str(link.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


class Answering:
    """Somebody who is signed in and answers whatever comes, in a thread of his own, until the block ends."""

    def __init__(self, caller: Caller, answer: Callable[[Request], Response | None]) -> None:
        """Take how he answers a request that is no ACK; None: not at all."""
        self._caller = caller
        self._answer = answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.heard: list[Request] = []
        self.failure: BaseException | None = None

    def __enter__(self) -> "Answering":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    message = self._caller.hear(0.1)
                except Silence:
                    continue
                if isinstance(message, Request):
                    self.heard.append(message)
                    response = self._answer(message) if message.method not in ("ACK", "BENOTIFY") else None
                    if response is not None:
                        self._caller.send(response)
        except (Gone, AssertionError) as failure:
            self.failure = failure


# --- bytes


def mutated(chance: Random, data: bytes) -> bytes:
    """Give a message with one to three things wrong with it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(_MUTATIONS)(chance, data)
    return data


def _flip(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + bytes([byte ^ 1 << chance.randrange(8) for byte in data[at : at + 1]]) + data[at + 1 :]


def _cut(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + data[at + chance.randrange(1, 40) :]


def _repeat(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + data[at : at + chance.randrange(1, 60)] * chance.choice((2, 3, 50)) + data[at:]


def _insert(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) or 1)
    return data[:at] + chance.choice(_BAD_BYTES) + data[at:]


def _renumber(chance: Random, data: bytes) -> bytes:
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    found = chance.choice(numbers)
    return data[: found.start()] + chance.choice(_BAD_NUMBERS) + data[found.end() :]


def _shuffle_lines(chance: Random, data: bytes) -> bytes:
    head, gap, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    at = chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines.insert(at, chance.choice(lines))
        case 1:
            del lines[at]
        case _:
            lines[1:] = chance.sample(lines[1:], len(lines) - 1)
    return b"\r\n".join(lines) + gap + body


_BAD_BYTES: Final = (
    b"\0", b"\xff\xfe", b"\xc0\x80", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\t", b'"', b"<", b">", b",", b";", b":", b"%00",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x7f", b"\x1b[2J", b"A" * 10_000, b"\r\n " * 100,
)  # fmt: skip
_BAD_NUMBERS: Final = (
    b"-1", b"0", b"4294967296", b"18446744073709551616", b"9" * 400, b"1e9", b"0x7f", b" ", b"", b"+5", b"007", b"1.5",
)  # fmt: skip
_MUTATIONS: Final = (_flip, _cut, _repeat, _insert, _renumber, _shuffle_lines)


# --- headers


EVIL: Final = (
    "", " ", ",", ",,,", ";", ";;;", '"', '"\\', "<", ">", "<>", "<<>>", "<sip:>", "sip:", "sip:@", "*", "\udcff\udcfe", "\0",
    "\U0001f600", "\udced\udca0\udc80", "-1", "9" * 20, "9" * 5000, "1e9",
    "\u0661\u0662", "0", "00000000000000000001", "%00%0d%0a", "a" * 10_000, ";a" * 2_000, "," * 2_000, "(" * 2_000,
    "\\" * 999 + '"', '"' * 999, "<sip:alice@example.test", "sip:alice@[::1", "sip:alice@example.test:99999",
    "sip:alice@example.test:-1", "tel:", "<tel:+1>", "sip:%@example.test", "<sip:\udcff@example.test>;tag=1", "urn:x:y",
    '"x" <sip:bob@example.test>;tag=1', "<sip:alice@example.test>;tag=1;tag=2", "<sip:alice@example.test>;tag=\"1\"",
    "<sip:alice@example.test>;epid=" + "e" * 5_000, "1 1 1", "2147483648 OPTIONS", "presence;id=1;id=2", "=", "a=b=c",
    "<sip:bob@example.test;opaque=user:epid:\udcff;gruu>", "<sip:bob@example.test;opaque=app:conf:focusfactory;gruu>",
    "text/plain;charset=\"", "multipart/mixed;boundary=", "application/sdp;\0", "\x1b[31m", "\u202e", "\ufffe",
)  # fmt: skip
"""Values that no header should have."""

HEADERS: Final = (
    "Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Expires", "Event", "Content-Type", "Supported", "Require",
    "Accept", "User-Agent", "Ms-Conversation-ID", "Route", "Record-Route", "Subject", "P-Asserted-Identity",
    "P-Preferred-Identity", "ms-diagnostics", "ms-client-diagnostics", "Allow", "Proxy-Require", "Content-Encoding",
    "Authentication-Info", "Referred-By", "Replaces", "Min-Expires", "Retry-After", "RSeq", "RAck", "Date",
)  # fmt: skip


def bent(chance: Random, request: Request) -> Request:
    """Give a request of which one header, or the URI, says what it should not; it can still be signed."""
    value = chance.choice(EVIL)
    match chance.randrange(8):
        case 0:
            return Request(request.method, value or "sip:", request.headers, request.body)
        case 1:
            name = chance.choice(HEADERS)
            return Request(
                request.method,
                request.uri,
                request.headers.edited(last=[(name, value)] * chance.choice((1, 2, 40))),
                request.body,
            )
        case 2:
            fields = list(request.headers)
            fields.pop(chance.randrange(len(fields)))
            return Request(request.method, request.uri, Headers(fields), request.body)
        case _:
            name = chance.choice(HEADERS)
            return Request(request.method, request.uri, request.headers.edited(put=[(name, value)]), request.body)
