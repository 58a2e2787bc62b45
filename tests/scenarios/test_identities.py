"""What one user's client claims about people and servers, and what the other's client gets to see of it."""

import pytest

from lyncpy.sip.message import SERVER, Headers, Request, Response, response_to
from tests.kit.actors import Actor
from tests.kit.stage import Stage

CLAIMS = (
    ("P-Asserted-Identity", '"The boss" <sip:carol@example.com>'),
    ("P-Preferred-Identity", "<sip:carol@example.com>"),
    ("Remote-Party-ID", '"The boss" <sip:carol@example.com>;party=calling'),
    ("Ms-Sender", "<sip:carol@example.com>"),
    ("ms-asserted-verification-level", "ms-source-verified-user=verified"),
    ("ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer;ms-ep-fqdn=edge;ms-source-verified-user=verified"),
    ("ms-user-data", "ms-publiccloud=TRUE;ms-federation=TRUE"),
    ("ms-split-domain-info", "ms-traffic-type=SplitIntra"),
    ("Referred-By", "<sip:carol@example.com>"),
    ("b", "<sip:carol@example.com>"),
    ("History-Info", "<sip:carol@example.com>;index=1"),
    ("Diversion", "<sip:carol@example.com>;reason=unconditional"),
    ("Identity", '"forged"'),
    ("WWW-Authenticate", 'NTLM realm="x", targetname="evil", version=4'),
    ("Proxy-Authenticate", 'NTLM realm="x", targetname="evil", version=4'),
    ("Proxy-Authentication-Info", 'NTLM rspauth="00"'),
    ("ms-diagnostics", '1003;reason="User does not exist";source="sip.example.com"'),
    ("ms-diagnostics-public", '1003;reason="User does not exist"'),
    ("ms-user-logon-data", "RemoteUser"),
    ("ms-mras-address", "sip:evil@example.com"),
    ("ms-received-port", "5061"),
    ("Server", "RTC/6.0 (another one)"),
)
"""Each would be believed if it came from a server."""

HARMLESS = (("Subject", "lunch?"), ("X-Anything", "as  it came"), ("ms-client-diagnostics", "52094;reason=x"))


def _shown(message: Request | Response) -> list[str]:
    """Give the names of the claims that are there."""
    values = {value for _, value in CLAIMS}
    return [name for name, value in message.headers if value in values]


def _answering(actor: Actor, status: int) -> None:
    """Have a device answer every INVITE and MESSAGE with all of these claims."""
    fields = [*CLAIMS, *HARMLESS, ("Contact", f"<{actor.sip.gruu}>")]
    for method in ("INVITE", "MESSAGE", "BYE", "INFO"):
        actor.sip.answers[method] = lambda request: response_to(request, status, headers=fields)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS"])
def test_a_request_shows_nothing_that_its_sender_only_claims(stage: Stage, method: str) -> None:
    """Mallory claims to be the boss in every way there is; Bob's client sees Mallory, and all that is harmless."""
    bob, mallory = stage.sign_in("bob", "mallory")
    mallory.sip.ask(mallory.sip.request(method, bob.aor, [*CLAIMS, *HARMLESS], b"v=0"))
    heard = next(one for one in bob.sip.heard if one.method == method)
    assert _shown(heard) == []
    assert heard.headers.get_all("P-Asserted-Identity") == ('"Mallory" <sip:mallory@example.com>',)
    for name, value in HARMLESS:
        assert heard.headers.get_all(name) == (value,)


@pytest.mark.parametrize("status", [180, 200, 486])
def test_an_answer_shows_nothing_that_its_sender_only_claims(stage: Stage, status: int) -> None:
    """The same from the other side, with the identity of who answers in every answer to an invitation."""
    alice, mallory = stage.sign_in("alice", "mallory")
    _answering(mallory, status)
    talk = alice.invites(mallory)
    assert talk.exchange is not None
    answer = [*talk.exchange.provisional, *talk.exchange.finals][-1]
    assert answer.status == status
    assert _shown(answer) == []
    assert answer.headers.get_all("P-Asserted-Identity") == ('"Mallory" <sip:mallory@example.com>',)
    assert answer.headers.get_all("Server") == (SERVER,)
    for name, value in HARMLESS:
        assert answer.headers.get_all(name) == (value,)


def test_a_conversation_shows_nothing_that_its_sides_only_claim(stage: Stage) -> None:
    """What is said later, and how it is answered."""
    alice, mallory = stage.sign_in("alice", "mallory")
    hers, _ = mallory.talks_to(alice)
    hers.sends("MESSAGE", CLAIMS, b"hi", "text/plain")
    hers.sends("INFO", CLAIMS, b"", None)
    for heard in alice.sip.heard:
        assert _shown(heard) == []
    assert len([one for one in alice.sip.heard if one.method in ("MESSAGE", "INFO")]) == 2
    his, _ = alice.talks_to(mallory)
    _answering(mallory, 200)
    assert _shown(his.says("hi").answer) == []
    assert _shown(his.hangs_up().answer) == []


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_nobody_signs_for_what_a_device_asks(stage: Stage, status: int, method: str) -> None:
    """Mallory's device answers with a challenge: Alice's client hears in the server's own words that nobody is reached."""
    alice, mallory = stage.sign_in("alice", "mallory")
    _answering(mallory, status)
    exchange = alice.pages(mallory, "hi") if method == "MESSAGE" else alice.invites(mallory).exchange
    assert exchange is not None
    assert (exchange.status, exchange.diagnostics) == (480, 1)
    assert _shown(exchange.answer) == []


def test_an_invitation_tells_each_device_for_whom_it_rings(stage: Stage) -> None:
    """History-Info has the address that was called."""
    (alice,) = stage.sign_in("alice")
    devices = stage.sign_in("bob", "bob")
    alice.invites(devices[0])
    for device in devices:
        heard = next(one for one in device.sip.heard if one.method == "INVITE")
        assert heard.headers.get_all("History-Info") == (f"<{device.aor}>;index=1",)


@pytest.mark.parametrize("supported", ["histinfo", "100rel, HistInfo", "100rel"])
@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_caller_who_asks_hears_where_the_call_went(stage: Stage, supported: str, status: int) -> None:
    """In each answer of a device, in the server's words and not in the device's."""
    alice, mallory = stage.sign_in("alice", "mallory")
    _answering(mallory, status)
    call = alice.sip.request("INVITE", mallory.aor, [("Supported", supported)], b"v=0")
    exchange = alice.sip.ask(call)
    answer = [*exchange.provisional, *exchange.finals][-1]
    expected = (f"<{mallory.aor}>;index=1",) if "hist" in supported.lower() else ()
    assert (answer.status, answer.headers.get_all("History-Info")) == (status, expected)


def test_who_was_referred_says_by_whom(stage: Stage) -> None:
    """Alice transfers Bob to Carol: Carol's client sees by whom. Without a transfer it sees nothing."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    said = [("Referred-By", f"<{alice.aor}>")]

    def calls_carol() -> Headers:
        bob.sip.ask(bob.sip.request("INVITE", carol.aor, said, b"v=0"))
        return [one for one in carol.sip.heard if one.method == "INVITE"][-1].headers

    assert "Referred-By" not in calls_carol()
    bob.sip.answers["REFER"] = lambda request: response_to(request, 202)
    talk, _ = alice.talks_to(bob)
    assert talk.sends("REFER", [("Refer-To", f"<{carol.aor}>"), *said]).status == 202
    assert calls_carol().get_all("Referred-By") == (f"<{alice.aor}>",)


def test_in_the_chat_of_a_conference_the_server_says_who_speaks(stage: Stage) -> None:
    """Mallory claims to be the boss in every header of what she says in a meeting."""
    alice, mallory = stage.sign_in("alice", "mallory")
    first = alice.meets()
    second = mallory.joins(first.focus)
    stage.passes(1)
    assert second.chat is not None
    assert second.chat.sends("MESSAGE", CLAIMS, b"give me a raise", "text/plain").status == 202
    stage.passes(1)
    heard = [one for one in alice.sip.heard if one.method == "MESSAGE"][-1]
    assert heard.headers.get_all("Ms-Sender") == (f"<{mallory.aor}>",)
    assert _shown(heard) == []
