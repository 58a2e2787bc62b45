"""SIPp, a load generator that others wrote, over TCP: it is answered as designed, fast, and leaves nothing behind."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.hostile import assert_calm, open_sockets, resident_kb
from tests.kit.server import RunningServer, wait_until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sip-tester is not installed"),
]

FLOOD = 2_000

SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="OPTIONS">
  <send><![CDATA[
OPTIONS {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:sipp@example.test>;tag=[call_number]
To: <{uri}>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
  <recv response="401" timeout="5000"/>
</scenario>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server as it is by default; its log must be calm and its end orderly."""
    with RunningServer(tmp_path_factory.mktemp("sipp") / "home").init().serving() as running:
        yield running
        running.stop()
        assert_calm(running)


def options(server: RunningServer, folder: Path, uri: str, *, calls: int, transport: str) -> None:
    """Have SIPp ask; every call has to get its 401."""
    scenario = folder / "options.xml"
    scenario.write_text(SCENARIO.format(uri=uri))
    words = f"sipp -sf {scenario} -m {calls} -r 1000 -l 50 -t {transport} -max_socket 400 -nostdin -timeout 30s -timeout_error"
    done = subprocess.run(
        [*words.split(), server.tcp_address], cwd=folder, capture_output=True, text=True, timeout=45, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", done.stdout)
    assert found and int(found[-1]) == calls, done.stdout[-3000:]


@pytest.mark.parametrize("uri", ["sip:example.test", "sip:sip.example.test", "sip:127.0.0.1"])
def test_a_stranger_is_asked_who_he_is(server: RunningServer, tmp_path: Path, uri: str) -> None:
    """OPTIONS to the domain, the server or its address: 401, many times over one connection."""
    options(server, tmp_path, uri, calls=50, transport="t1")


def test_a_flood_of_strangers_leaves_nothing_behind(server: RunningServer, tmp_path: Path) -> None:
    """Two thousand connections come, ask and go; sockets and memory are as before."""
    options(server, tmp_path, "sip:example.test", calls=FLOOD, transport="tn")
    wait_until(lambda: open_sockets(server.pid) < 20, "every connection is closed", 10.0)
    sockets, memory = open_sockets(server.pid), resident_kb(server.pid)
    options(server, tmp_path, "sip:example.test", calls=FLOOD, transport="tn")
    wait_until(lambda: open_sockets(server.pid) <= sockets, "every connection is closed", 10.0)
    assert resident_kb(server.pid) - memory < 5_000
