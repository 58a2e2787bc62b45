"""SIPp, which others wrote, as a gateway: over UDP and over TCP, called and calling."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

from lyncpy.sip.dialog import Dialog
from tests.kit.caller import Caller, Line
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, wait_until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sip-tester is not installed"),
]

LINE = "+14255550142"
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
SETTINGS = """
[voice]
gateway_port = {own}
gateway_host = "127.0.0.1"

[voice.policies.default]
usages = ["world"]

[voice.routes.udp]
pattern = '^\\+49'
usages = ["world"]
gateways = ["datagrams"]

[voice.routes.tcp]
pattern = '^\\+44'
usages = ["world"]
gateways = ["connections"]

[voice.gateways.datagrams]
address = "127.0.0.1"
port = {udp}
transport = "udp"
answer_s = 32

[voice.gateways.connections]
address = "127.0.0.1"
port = {tcp}
transport = "tcp"
answer_s = 32
"""

ANSWER = """
  <send{again}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:gw@[local_ip]:[local_port];transport=[transport]>
{body}
]]></send>"""

_BODY = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}"
_NONE = "Content-Length: 0\n"

CALLED = (
    '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="gateway">\n'
    '  <recv request="OPTIONS" optional="true" next="asked"/>\n  <recv request="INVITE"/>'
    + ANSWER.format(status="180 Ringing", tag=";tag=[call_number]", body=_NONE, again="")
    + ANSWER.format(status="200 OK", tag=";tag=[call_number]", body=_BODY, again=' retrans="500"')
    + '\n  <recv request="ACK"/>\n  <recv request="BYE"/>'
    + ANSWER.format(status="200 OK", tag="", body=_NONE, again="").replace("<send", '<send next="over"')
    + '\n  <label id="asked"/>'
    + ANSWER.format(status="200 OK", tag=";tag=[call_number]", body=_NONE, again="")
    + '\n  <label id="over"/>\n</scenario>\n'
)

_ASKS = """
  <send{again}><![CDATA[
{method} sip:{line}@127.0.0.1:[remote_port];user=phone SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+4930777@[local_ip];user=phone>;tag=[call_number]
To: <sip:{line}@127.0.0.1;user=phone>{tag}
Call-ID: [call_id]
CSeq: {number} {method}
Max-Forwards: 70
Contact: <sip:gw@[local_ip]:[local_port];transport=[transport]>
{body}
]]></send>"""

CALLS = (
    '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="from outside">'
    + _ASKS.format(method="INVITE", line=LINE, tag="", number=1, body=_BODY, again=' retrans="500"')
    + '\n  <recv response="100" optional="true"/>\n  <recv response="180" optional="true"/>'
    '\n  <recv response="200"/>'
    + _ASKS.format(method="ACK", line=LINE, tag="[peer_tag_param]", number=1, body=_NONE, again="")
    + _ASKS.format(method="BYE", line=LINE, tag="[peer_tag_param]", number=2, body=_NONE, again=' retrans="500"')
    + '\n  <recv response="200"/>\n</scenario>\n'
)


@contextmanager
def gateway(folder: Path, transport: str, port: int) -> Iterator[None]:
    """Have SIPp be called until the end."""
    scenario = folder / f"{transport}.xml"
    scenario.write_text(CALLED)
    words = f"sipp -sf {scenario} -i 127.0.0.1 -p {port} -t {transport}1 -nostdin"
    with (folder / f"{transport}.out").open("wb") as out:
        running = subprocess.Popen(words.split(), cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """Ours, of the one gateway, of the other, of who calls."""
    return free_ports(4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[RunningServer]:
    """Give a server with two gateways, both up; Eve has a number."""
    folder = tmp_path_factory.mktemp("gateways")
    running = RunningServer(folder / "home").init()
    running.hire("eve")
    with (running.home / "people.toml").open("a") as people:
        people.write(f'line = "{LINE}"\n')
    with (running.home / "lyncpy.toml").open("a") as settings:
        settings.write(SETTINGS.format(own=ports[0], udp=ports[1], tcp=ports[2]))
    with ExitStack() as all_, running.serving():
        all_.enter_context(gateway(folder, "u", ports[1]))
        all_.enter_context(gateway(folder, "t", ports[2]))
        wait_until(lambda: running.ssh("gateways").count(" up ") == 2, "both gateways answer")
        yield running


def device(server: RunningServer, name: str) -> Caller:
    """Sign somebody in."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password, epid=token_hex(6)).sign_in()


@pytest.mark.parametrize(("number", "name"), [("+493012345", "datagrams"), ("+442012345", "connections")])
def test_a_telephone_is_called(server: RunningServer, number: str, name: str) -> None:
    """It rings, answers, and is hung up; the record has the gateway."""
    alice = device(server, "alice")
    domain = alice.aor.partition("@")[2]
    invite = alice.request(
        "INVITE",
        f"sip:{number}@{domain};user=phone",
        content_type="application/sdp",
        body=SDP.encode(),
    )
    response = alice.ask(invite)
    assert (response.status, response.body.replace(b"\r\n", b"\n")) == (200, SDP.replace("\r\n", "\n").encode())
    dialog = Dialog.from_response(invite, response)
    via = ("Via", "SIP/2.0/TCP 127.0.0.1:5;branch=z9hG4bK" + token_hex(8))
    alice.send(dialog.ack(invite).edited(first=[via]))
    bye = dialog.next_request("BYE").edited(first=[("Via", via[1] + "b")])
    assert alice.ask(bye).status == 200
    wait_until(lambda: server.sql("select * from sessions where user2_endpoint = ?", name), "its record is written")


def test_a_telephone_calls(server: RunningServer, ports: list[int], tmp_path: Path) -> None:
    """Eve's device rings with the number, takes the call, and hears that it is over."""
    eve = device(server, "eve")
    scenario = tmp_path / "calls.xml"
    scenario.write_text(CALLS)
    words = f"sipp -sf {scenario} -i 127.0.0.1 -p {ports[3]} -t u1 -m 1 -nostdin -timeout 60s 127.0.0.1:{ports[0]}"
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(words.split(), cwd=tmp_path, stdout=out) as calling:
        invite = eve.await_request("INVITE")
        assert invite.from_.uri.startswith("sip:+4930777@")
        eve.answer(invite, 180, tag="e")
        eve.answer(invite, 200, tag="e", headers=[("Content-Type", "application/sdp")], body=SDP.encode())
        assert eve.await_request("ACK").cseq.number == invite.cseq.number
        eve.answer(eve.await_request("BYE"), 200)
        assert calling.wait(60) == 0, (tmp_path / "out").read_text(errors="replace")[-3000:]
