"""A trace of a running server in the real Wireshark, and at a real receiver of HEP."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Clients
from tests.kit.capture import HepReceiver
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

AGENT = 4711


@pytest.fixture(scope="module")
def homer_port() -> int:
    """Give where the server sends what is to go to Homer."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, homer_port: int) -> Iterator[RunningServer]:
    """Give a server that knows it."""
    places = {"tracing__homer": f"udp://127.0.0.1:{homer_port}", "tracing__homer_agent": AGENT}
    with RunningServer(tmp_path_factory.mktemp("server") / "home", **places).init().serving() as running:
        yield running


@pytest.fixture
def receiver(tmp_path: Path, homer_port: int) -> Iterator[HepReceiver]:
    """Give the one there, which nobody has written but those who made HEP."""
    with HepReceiver(tmp_path, homer_port) as receiver:
        yield receiver


def tshark(file: str, *fields: str) -> list[list[str]]:
    """Have tshark read a file; give these fields of each packet."""
    asked = [word for field in fields for word in ("-e", field)]
    found = subprocess.run(
        ["tshark", "-r", file, "-T", "fields", "-E", "separator=|", *asked],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line.split("|") for line in found.stdout.splitlines()]


def test_wireshark_shows_what_an_operator_traced(clients: Clients, server: RunningServer) -> None:
    """SIP is dissected as it stood within TLS, from and to the right addresses, and nothing of what was said is there."""
    (bob,) = clients("bob")
    name = json.loads(server.ssh("trace start user alice@example.test --json"))["rows"][0]["trace"]
    (alice,) = clients("alice")
    alice.send_im(bob.address, "nobody reads this")
    bob.wait_for("im", text="nobody reads this")
    ladder = server.ssh(f"trace show {name}")
    assert "◄ REGISTER ──│" in ladder
    assert "alice@example.test signed in, device" in ladder
    assert "Sipe/1.25" in ladder
    server.ssh(f"trace stop {name}")
    (row,) = json.loads(server.ssh(f"trace export {name} --json"))["rows"]
    content = Path(row["file"]).read_bytes()
    assert b"REGISTER" in content
    assert b"nobody reads this" not in content
    assert b'gssapi-data="***"' in content
    assert b'gssapi-data="TlR' not in content
    assert Path(row["file"]).stat().st_mode & 0o777 == 0o600

    packets = tshark(
        row["file"], "_ws.col.Protocol", "_ws.col.Source", "exported_pdu.src_port", "sip.Method", "sip.Status-Code",
        "sip.auth.scheme", "_ws.malformed", "frame.comment",
    )  # fmt: skip
    assert len(packets) == row["entries"]
    messages = [one for one in packets if one[0].startswith("SIP")]
    port = server.address.rpartition(":")[2]
    assert {one[3] for one in messages} >= {"REGISTER", "SUBSCRIBE", "INVITE", "MESSAGE"}
    assert {one[4] for one in messages} >= {"200", "401"}
    asked = next(one for one in messages if one[3] == "REGISTER")
    challenged = next(one for one in messages if one[4] == "401")
    assert (asked[1], challenged[1], challenged[2]) == ("127.0.0.1", "127.0.0.1", port)
    assert asked[2] != port
    assert not any(one[6] for one in packets)
    assert any("signed in, device" in one[7] for one in packets)


def test_a_receiver_of_hep_understands_a_trace(clients: Clients, server: RunningServer, receiver: HepReceiver) -> None:
    """As it goes: each message whole, from where to where, at its time, by whom; and changes of state as lines of a log."""
    name = json.loads(server.ssh("trace start user carol@example.test --homer --json"))["rows"][0]["trace"]
    clients("carol")
    server.ssh(f"trace stop {name}")
    entries: list[dict[str, Any]] = []

    def is_whole() -> bool:
        (row,) = json.loads(server.ssh(f"trace export {name} --as json --print --json"))["rows"]
        entries[:] = json.loads(base64.b64decode(row["content"]))["entries"]
        return str(entries[-1]["text"]).startswith("the trace has ended")

    wait_until(is_whole, "all of it is in the file")
    # That it was stopped is said there alone.
    sent = entries[:-1]
    wait_until(lambda: len(receiver.captured()) >= len(sent), "the receiver has all of it")
    heard = receiver.captured()
    assert len(heard) == len(sent)
    assert {(one.version, one.agent) for one in heard} == {(3, AGENT)}
    port = int(server.address.rpartition(":")[2])
    for entry in sent:
        is_message = entry["kind"] == "message"
        (one,) = [
            one for one in heard if one.payload == entry["text"].encode() and abs(one.at - entry["seconds"]) < 1e-5
        ]
        assert one.kind == (1 if is_message else 100)
        if is_message:
            client, there = tuple(entry["client"]), ("127.0.0.1", port)
            assert (one.source, one.destination) == ((client, there) if entry["direction"] == "in" else (there, client))
