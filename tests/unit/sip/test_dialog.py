"""Dialogs: requests go where the peer wants them, in order, and strangers get 481."""

import pytest

from lyncpy.sip.dialog import Dialog, DialogState
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response, response_to


def invite(*more: tuple[str, str], to_tag: str = "", method: str = "INVITE", number: int = 1) -> Request:
    """Alice's request to Bob."""
    return Request(
        method,
        "sip:bob@example.com",
        Headers(
            [
                ("Via", "SIP/2.0/TLS 10.0.0.1:4000"),
                ("From", '"Alice" <sip:alice@example.com>;tag=a;epid=01'),
                ("To", "<sip:bob@example.com>;epid=02" + (f";tag={to_tag}" if to_tag else "")),
                ("Call-ID", "c1"),
                ("CSeq", f"{number} {method}"),
                *more,
            ]
        ),
    )


def answer(request: Request, status: int = 200, *more: tuple[str, str], tag: str = "b") -> Response:
    """Bob's answer."""
    return response_to(request, status, headers=more, to_tag=tag)


@pytest.fixture
def callee() -> Dialog:
    """The dialog as Bob's side has it."""
    return Dialog.from_request(
        invite(
            ("Contact", "<sip:alice@10.0.0.1:4000;transport=tls>"),
            ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"),
            ("Record-Route", "<sip:p0.example.com;lr>"),
        ),
        "b",
    )


@pytest.fixture
def caller() -> Dialog:
    """The dialog as Alice's side has it."""
    request = invite()
    response = answer(
        request,
        200,
        ("Contact", "<sip:bob@10.0.0.2:5000>"),
        ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"),
    )
    return Dialog.from_response(request, response)


def test_the_callee_writes_back(callee: Dialog) -> None:
    """From and To change places, with every parameter; the route is the recorded one, in order."""
    request = callee.next_request("MESSAGE", [("Contact", "<sip:bob@h>")], b"hi", "text/plain")
    assert (request.method, request.uri, request.body) == ("MESSAGE", "sip:alice@10.0.0.1:4000;transport=tls", b"hi")
    assert list(request.headers) == [
        ("Max-Forwards", "70"),
        ("Route", "<sip:p2.example.com;lr>"),
        ("Route", "<sip:p1.example.com;lr>"),
        ("Route", "<sip:p0.example.com;lr>"),
        ("From", "<sip:bob@example.com>;epid=02;tag=b"),
        ("To", '"Alice" <sip:alice@example.com>;tag=a;epid=01'),
        ("Call-ID", "c1"),
        ("CSeq", "1 MESSAGE"),
        ("Contact", "<sip:bob@h>"),
        ("Content-Type", "text/plain"),
    ]
    assert callee.next_request("INFO").cseq.number == 2


def test_the_caller_goes_on(caller: Dialog) -> None:
    """The caller's route is the recorded one reversed, and the numbers go on from the INVITE's."""
    request = caller.next_request("MESSAGE")
    assert request.uri == "sip:bob@10.0.0.2:5000"
    assert request.headers.get_all("Route") == ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>")
    assert (request.headers.get("To"), request.headers.get("CSeq")) == (
        "<sip:bob@example.com>;epid=02;tag=b",
        "2 MESSAGE",
    )
    assert "Content-Type" not in request.headers


def test_both_sides_have_the_same_name(callee: Dialog, caller: Dialog) -> None:
    """A dialog is found by Call-ID and both tags."""
    assert callee.key == ("c1", "b", "a")
    assert caller.key == ("c1", "a", "b")


def test_the_ack_has_the_number_of_its_invite(caller: Dialog) -> None:
    """An ACK uses up no number, and goes to the contact that answered."""
    first = caller.ack(invite())
    again = caller.next_request("INVITE")
    caller.next_request("INFO")
    assert (first.headers.get("CSeq"), first.uri) == ("1 ACK", "sip:bob@10.0.0.2:5000")
    assert caller.ack(again).headers.get("CSeq") == "2 ACK"


def test_a_strict_router_is_obeyed(callee: Dialog) -> None:
    """RFC 3261 §12.2.1.1: a first route without lr becomes the Request-URI, and the target the last route."""
    callee.routes = ("<sip:old.example.com>", "<sip:p1.example.com;lr>")
    request = callee.next_request("BYE")
    assert request.uri == "sip:old.example.com"
    assert request.headers.get_all("Route") == ("<sip:p1.example.com;lr>", "<sip:alice@10.0.0.1:4000;transport=tls>")


def test_without_contacts_the_addresses_serve() -> None:
    """A peer that gives no Contact is reached by his address."""
    assert Dialog.from_request(invite(), "b").target == "sip:alice@example.com"
    request = invite()
    assert Dialog.from_response(request, answer(request)).target == "sip:bob@example.com"


def test_an_existing_to_tag_stays() -> None:
    """A request that already names both tags is of the dialog it names."""
    assert Dialog.from_request(invite(to_tag="old"), "new").local_tag == "old"


def test_a_peer_without_a_tag_is_tolerated() -> None:
    """RFC 2543 clients have no tag, which counts as an empty one."""
    bare = invite().edited(put=[("From", "<sip:alice@example.com>")])
    dialog = Dialog.from_request(bare, "b")
    assert dialog.remote_tag == ""
    dialog.receive(bare.edited(put=[("To", "<sip:bob@example.com>;tag=b"), ("CSeq", "2 INVITE")]))
    assert dialog.remote_seq == 2


def test_an_answer_without_a_tag_makes_no_dialog() -> None:
    """Nothing can be sent in a dialog that cannot be named."""
    request = invite()
    with pytest.raises(RemoteProtocolError, match="To tag"):
        Dialog.from_response(request, Response(200, "OK", request.headers))


@pytest.mark.parametrize("name", ["From", "To"])
def test_essential_headers_are_essential(name: str) -> None:
    """A message without them makes no dialog."""
    broken = invite().edited(drop=[name])
    with pytest.raises(RemoteProtocolError, match=name):
        Dialog.from_request(broken, "b")


@pytest.mark.parametrize("name", ["Contact", "Record-Route"])
@pytest.mark.parametrize("address", [";a", "<>", "<sip:>", "*", "isbn:1", "<sip:a b@example.com>", "\u202e"])
def test_a_way_back_that_leads_nowhere_is_refused_at_once(name: str, address: str) -> None:
    """Who cannot be written to hears so now; later his address would stand in the way of what others are told."""
    with pytest.raises(RemoteProtocolError) as error:
        Dialog.from_request(invite((name, address)), "b")
    assert error.value.status == 400


def test_later_numbers_are_taken_and_earlier_ones_refused(callee: Dialog) -> None:
    """Requests are taken in the order they were numbered, gaps allowed; a late one gets 500."""
    callee.receive(invite(to_tag="b", method="MESSAGE", number=7))
    callee.receive(invite(to_tag="b", method="MESSAGE", number=7))
    with pytest.raises(RemoteProtocolError) as caught:
        callee.receive(invite(to_tag="b", method="MESSAGE", number=6))
    assert caught.value.status == 500


def test_the_callers_peer_may_begin_with_any_number(caller: Dialog) -> None:
    """Each direction has numbers of its own."""
    request = Request(
        "INFO",
        "sip:alice@h",
        Headers(
            [
                ("From", "<sip:bob@example.com>;tag=b"),
                ("To", "<sip:alice@example.com>;tag=a"),
                ("Call-ID", "c1"),
                ("CSeq", "0 INFO"),
            ]
        ),
    )
    caller.receive(request)
    assert caller.remote_seq == 0


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_acks_and_cancels_are_not_in_that_order(callee: Dialog, method: str) -> None:
    """Their number is their INVITE's, which may be an old one."""
    callee.receive(invite(to_tag="b", method="MESSAGE", number=7))
    callee.receive(invite(to_tag="b", method=method, number=1))
    assert callee.remote_seq == 7


@pytest.mark.parametrize("change", [("Call-ID", "c2"), ("To", "<sip:bob@h>;tag=x"), ("From", "<sip:a@h>;tag=x")])
def test_a_stranger_gets_481(callee: Dialog, change: tuple[str, str]) -> None:
    """One wrong name, and it is another dialog."""
    with pytest.raises(RemoteProtocolError) as caught:
        callee.receive(invite(to_tag="b", number=2).edited(put=[change]))
    assert caught.value.status == 481


def test_a_peer_that_moves_is_followed(callee: Dialog, caller: Dialog) -> None:
    """A new Contact in a target refresh is where requests go from then on; in a MESSAGE it means nothing."""
    moved = ("Contact", "<sip:alice@10.9.9.9>")
    callee.receive(invite(moved, to_tag="b", method="MESSAGE", number=2))
    assert callee.target == callee.next_request("INFO").uri == "sip:alice@10.0.0.1:4000;transport=tls"
    callee.receive(invite(moved, to_tag="b", method="UPDATE", number=3))
    assert callee.target == callee.next_request("INFO").uri == "sip:alice@10.9.9.9"
    callee.receive(invite(to_tag="b", method="UPDATE", number=4))
    assert callee.target == "sip:alice@10.9.9.9"
    caller.answered(answer(caller.next_request("INVITE"), 200, ("Contact", "<sip:bob@10.8.8.8>")))
    assert caller.target == "sip:bob@10.8.8.8"


def test_a_bye_ends_the_dialog_for_both(callee: Dialog, caller: Dialog) -> None:
    """After a BYE nothing is sent and nothing is taken."""
    caller.next_request("BYE")
    callee.receive(invite(to_tag="b", method="BYE", number=2))
    assert caller.state is callee.state is DialogState.TERMINATED
    with pytest.raises(LocalProtocolError):
        caller.next_request("MESSAGE")
    with pytest.raises(RemoteProtocolError) as caught:
        callee.receive(invite(to_tag="b", method="MESSAGE", number=3))
    assert caught.value.status == 481


@pytest.mark.parametrize("status", [408, 481])
def test_an_answer_that_denies_the_dialog_ends_it(caller: Dialog, status: int) -> None:
    """RFC 3261 §12.2.1.2: 481 and 408 say that the peer has no such dialog."""
    caller.answered(answer(caller.next_request("MESSAGE"), status))
    assert caller.state is DialogState.TERMINATED


def test_other_refusals_do_not(caller: Dialog) -> None:
    """A MESSAGE or a re-INVITE that is refused leaves the dialog as it was."""
    caller.answered(answer(caller.next_request("MESSAGE"), 415))
    caller.answered(answer(caller.next_request("INVITE"), 488))
    assert caller.state is DialogState.CONFIRMED


@pytest.mark.parametrize(
    ("status", "state"), [(183, DialogState.EARLY), (200, DialogState.CONFIRMED), (486, DialogState.TERMINATED)]
)
def test_an_early_dialog_is_confirmed_or_ends(status: int, state: DialogState) -> None:
    """What rings becomes a call, or does not."""
    request = invite()
    dialog = Dialog.from_response(request, answer(request, 180))
    assert dialog.state is DialogState.EARLY
    dialog.answered(answer(request, status))
    assert dialog.state is state
