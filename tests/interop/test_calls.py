"""A call over real sockets: it rings with early media, is answered, and outlives a `kill -9` of the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.headers import parse_contact_list
from lyncpy.sip.message import Request, Response
from tests.kit.caller import Caller, Line
from tests.kit.hostile import PATIENT, assert_calm, time_limit
from tests.kit.phones import OFFER
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server that is killed and started again; its log must be calm."""
    with RunningServer(tmp_path / "home", **PATIENT).init().serving() as running:
        yield running
        running.stop()
        assert_calm(running)


def signed_in(server: RunningServer, name: str, epid: str) -> Caller:
    """Sign a device in; its Contact is the GRUU that it gets."""
    account = server.accounts[name]
    caller = Caller(Line(server.tcp_port), account.address, account.password, epid=epid)
    caller.line.send(b"")
    caller.sign_in()
    again = caller.ask(caller.register())
    (contact,) = parse_contact_list(again.headers.get("Contact") or "")
    caller.contact = f"<{contact.get('gruu')}>"
    return caller


def routes(message: Request | Response) -> list[tuple[str, str]]:
    """Give the Record-Route that an answer repeats."""
    return [("Record-Route", value) for value in message.headers.get_all("Record-Route")]


def passes(sender: Caller, dialog: Dialog, receiver: Caller, method: str, *more: tuple[str, str]) -> Request:
    """Send a request in a dialog; it has to arrive, and the answer to come back."""
    request = dialog.next_request(
        method,
        [
            ("Via", f"SIP/2.0/TCP 127.0.0.1:5;branch=z9hG4bK{id(dialog)}{method}{dialog.local_seq}"),
            ("Contact", sender.contact),
            *more,
        ],
    )
    sender.send(request)
    heard = receiver.await_request(method)
    receiver.answer(heard, 200)
    assert sender.answer_to(request).status == 200
    return heard


@pytest.mark.libraries
def test_a_call_that_rings_and_goes_on(server: RunningServer) -> None:
    """INVITE, 183, PRACK, UPDATE, 200, ACK; then the server dies, both sign in again, and hang up in order."""
    with time_limit(60):
        alice, bob = signed_in(server, "alice", "a1"), signed_in(server, "bob", "b1")
        invite = alice.request(
            "INVITE", bob.aor, headers=[("Supported", "100rel")], content_type="application/sdp", body=OFFER
        )
        alice.send(invite)
        rings = bob.await_request("INVITE")
        theirs = Dialog.from_request(rings, "bobs-tag")
        bob.answer(rings, 183, tag="bobs-tag", headers=[*routes(rings), ("Require", "100rel"), ("RSeq", "1")])
        ringing = alice.await_(lambda one: isinstance(one, Response) and one.status == 183)
        assert isinstance(ringing, Response)
        ours = Dialog.from_response(invite, ringing)
        passes(alice, ours, bob, "PRACK", ("RAck", f"1 {invite.cseq}"))
        passes(alice, ours, bob, "UPDATE")
        passes(bob, theirs, alice, "UPDATE")
        bob.answer(rings, 200, tag="bobs-tag", headers=routes(rings))
        accepted = alice.answer_to(invite)
        assert (accepted.status, accepted.headers.get("P-Asserted-Identity")) == (
            200,
            '"Bob Brandt" <sip:bob@example.test>',
        )
        alice.send(ours.ack(invite).edited(first=[("Via", "SIP/2.0/TCP 127.0.0.1:5;branch=z9hG4bKack")]))
        assert bob.await_request("ACK").cseq.number == invite.cseq.number

        server.kill()
        server.start()
        alice, bob = signed_in(server, "alice", "a1"), signed_in(server, "bob", "b1")

        passes(bob, theirs, alice, "UPDATE")
        passes(alice, ours, bob, "INFO")
        passes(bob, theirs, alice, "BYE")
        for one in (alice, bob):
            one.line.close()
