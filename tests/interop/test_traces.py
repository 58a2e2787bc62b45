"""A trace of a running server in the real Wireshark."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import Clients
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


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
