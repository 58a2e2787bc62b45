"""What strangers write at any door reaches the log, answers and the shell as plain text."""

import contextlib
import socket
import ssl
import subprocess
import unicodedata
from collections.abc import Iterator

import pytest

from tests.kit.caller import Caller, Line
from tests.kit.server import RunningServer
from tests.kit.tls_client import secured

pytestmark = pytest.mark.interop

STEERING = "\x1b]0;gotcha\x07\x1b[2J\x9b31m\u202egotcha\u2028\u200f"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that tells of every decision, without TLS too."""
    running = RunningServer(tmp_path_factory.mktemp("plain") / "home", log__level="debug").init()
    try:
        yield running.start()
    finally:
        running.close()


def said(port: int, data: bytes) -> str:
    """Send bytes to a port; give all that comes back until it is closed or silent."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), 5) as raw, contextlib.suppress(OSError):
        raw.settimeout(1.0)
        raw.sendall(data)
        while piece := raw.recv(65_536):
            found += piece
    return found.decode("utf-8", "surrogateescape")


def is_plain(text: str) -> bool:
    """Tell whether nothing in a text steers a terminal or turns its direction."""
    marks = (one for one in text if one not in "\r\n\t")
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in marks)


HEAD = [
    "OPTIONS sip:example.test SIP/2.0",
    "Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1",
    "From: <sip:alice@example.test>;tag=1;epid=1",
    "To: <sip:alice@example.test>",
    "Call-ID: 1",
    "CSeq: 1 OPTIONS",
    "Content-Type: text/plain",
    "Content-Length: 0",
]


@pytest.mark.parametrize("line", range(len(HEAD)))
def test_no_line_of_a_request_steers(server: RunningServer, line: int) -> None:
    """Wherever it stands in a message; also at its sign-in."""
    for method in ("OPTIONS", "REGISTER"):
        for place in (HEAD[line] + STEERING, STEERING + HEAD[line], HEAD[line].replace(" ", f" {STEERING}", 1)):
            lines = [*HEAD[:line], place, *HEAD[line + 1 :]]
            answer = said(server.tcp_port, "\r\n".join([*lines, "", ""]).replace("OPTIONS", method).encode())
            # What a request says of itself comes back to it alone, as RFC 3261 wants: not what we say of it.
            ours = [
                one for one in answer.split("\r\n") if one.lower().startswith(("sip/2.0", "ms-diagnostics", "reason"))
            ]
            assert all(map(is_plain, ours)), ours
    assert is_plain(server.log())


def test_no_other_door_is_a_way_to_the_log(server: RunningServer) -> None:
    """A name in TLS, a user of SSH, an address of somebody who signs in."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.tls_port), 5) as raw, contextlib.suppress(OSError, ValueError):
        secured(context, raw, "x\x1b[2Jx").close()
    said(server.tls_port, STEERING.encode())
    subprocess.run(
        ["ssh", "-p", str(server.admin_port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-l", "x\x1b[2Jx", "127.0.0.1", "who"], capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    said(server.admin_port, b"SSH-2.0-" + STEERING.encode() + b"\r\n")
    account = server.accounts["alice"]
    caller = Caller(Line(server.tcp_port), account.address, "wrong" + STEERING)
    with contextlib.suppress(Exception):
        caller.sign_in()
    assert is_plain(server.log())
    assert "gotcha" in server.log()


def test_what_a_client_calls_itself_does_not_steer_the_shell(server: RunningServer) -> None:
    """Tables of devices, connections and failures are plain, whatever stands in them."""
    account = server.accounts["bob"]
    caller = Caller(Line(server.tcp_port), account.address, account.password).sign_in()
    caller.ask(caller.request("OPTIONS", "sip:example.test", headers=[("User-Agent", STEERING)]))
    for command in ("endpoints", "why bob@example.test"):
        assert is_plain(server.ssh(command)), command
    caller.line.close()


def test_a_start_names_what_everybody_can_read(server: RunningServer) -> None:
    """A home that an older version made, started without `lyncpy init`; a closed one is not named."""
    assert "by everybody here" not in server.log()
    names = [server.home, server.home / "people.toml"]
    for path in names:
        path.chmod(path.stat().st_mode | 0o005)
    server.stop()
    server.start()
    lines = [one for one in server.log().splitlines() if "can be read by everybody here" in one]
    assert len(lines) == len(names)
    assert all(f'{path} can be read by everybody here; run `chmod o-rwx "{path}"`' in "".join(lines) for path in names)
