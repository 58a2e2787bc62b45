"""The four transaction machines, as a client or a server of SIP sees them."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    Rules,
    Transaction,
    TransactionEffect,
    TransactionEvent,
    TransactionState,
    answer_event,
    server_key,
)


def begun(rules: Rules) -> Transaction:
    """A transaction that began at 100 and has 10 seconds."""
    return Transaction(rules, 100.0, answer_s=10, linger_s=32)


def request(method: str = "MESSAGE", **changes: str) -> Request:
    """A request with the headers of the real client; `via`, `cseq`, `call_id` and `tag` may differ."""
    return Request(
        method,
        "sip:bob@example.com",
        Headers(
            [
                ("Via", changes.get("via", "SIP/2.0/tls 10.0.0.1:4000;branch=z9hG4bKaa")),
                ("From", f"<sip:alice@example.com>;tag={changes.get('tag', '1')};epid=ab"),
                ("To", "<sip:bob@example.com>"),
                ("Call-ID", changes.get("call_id", "call")),
                ("CSeq", changes.get("cseq", f"1 {method}")),
            ]
        ),
    )


def test_a_message_is_delivered() -> None:
    """The answer is told once, and the transaction is over at once: nothing repeats on a stream."""
    machine = begun(NON_INVITE_CLIENT)
    assert machine.deadline() == 110
    assert machine.receive(TransactionEvent.PROVISIONAL, 101) == (TransactionEffect.TELL,)
    assert machine.deadline() == 110
    assert machine.receive(TransactionEvent.SUCCESS, 102) == (TransactionEffect.TELL, TransactionEffect.END)
    assert (machine.state, machine.deadline()) == (TransactionState.TERMINATED, None)
    assert machine.receive(TransactionEvent.SUCCESS, 103) == ()


def test_silence_ends_a_request() -> None:
    """A client that does not answer is given up at the deadline, not before."""
    machine = begun(NON_INVITE_CLIENT)
    assert machine.expire(109.9) == ()
    assert machine.expire(110) == (TransactionEffect.TIMEOUT, TransactionEffect.END)
    assert machine.expire(200) == ()


@pytest.mark.parametrize("rules", [NON_INVITE_CLIENT, INVITE_CLIENT, INVITE_SERVER])
def test_a_lost_connection_ends_it(rules: Rules) -> None:
    """When the connection is gone there is nothing to wait for."""
    machine = begun(rules)
    assert machine.receive(TransactionEvent.LOST, 101) == (TransactionEffect.GONE, TransactionEffect.END)
    assert machine.deadline() is None


def test_an_accepted_invite_hears_of_further_acceptances() -> None:
    """A fork's second 2xx arrives within 64*T1 and is told apart from the first."""
    machine = begun(INVITE_CLIENT)
    assert machine.receive(TransactionEvent.SUCCESS, 105) == (TransactionEffect.TELL,)
    assert machine.receive(TransactionEvent.SUCCESS, 106) == (TransactionEffect.TELL_LATE,)
    assert machine.deadline() == 137
    assert machine.expire(137) == (TransactionEffect.END,)


def test_a_refused_invite_is_acknowledged_and_over() -> None:
    """The ACK of a failure is the transaction's own business."""
    machine = begun(INVITE_CLIENT)
    assert machine.receive(TransactionEvent.FAILURE, 105) == (
        TransactionEffect.ACKNOWLEDGE,
        TransactionEffect.TELL,
        TransactionEffect.END,
    )


@pytest.mark.parametrize("rings", [False, True])
def test_an_invite_nobody_answers_is_cancelled(rings: bool) -> None:
    """Whoever gives up stops the ringing, and still hears an answer that crosses."""
    machine = begun(INVITE_CLIENT)
    if rings:
        machine.receive(TransactionEvent.PROVISIONAL, 101)
    assert machine.expire(110) == (TransactionEffect.CANCEL, TransactionEffect.TIMEOUT)
    assert machine.receive(TransactionEvent.SUCCESS, 112) == (TransactionEffect.TELL_LATE,)
    assert machine.expire(142) == (TransactionEffect.END,)


def test_an_abandoned_invite_acknowledges_its_487() -> None:
    """The client that was cancelled gets its ACK, and that is all."""
    machine = begun(INVITE_CLIENT)
    machine.expire(110)
    assert machine.receive(TransactionEvent.FAILURE, 111) == (TransactionEffect.ACKNOWLEDGE, TransactionEffect.END)


def test_a_cancelled_invite_may_still_be_accepted() -> None:
    """A client that ignores CANCEL and answers 200 ten seconds later is heard."""
    machine = begun(INVITE_CLIENT)
    assert machine.receive(TransactionEvent.CANCEL, 101) == (TransactionEffect.CANCEL,)
    assert machine.receive(TransactionEvent.CANCEL, 102) == ()
    assert machine.receive(TransactionEvent.SUCCESS, 111) == (TransactionEffect.TELL,)


def test_a_cancelled_invite_is_not_waited_for_for_ever() -> None:
    """RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE counts as cancelled."""
    machine = begun(INVITE_CLIENT)
    machine.receive(TransactionEvent.CANCEL, 101)
    assert machine.deadline() == 133
    assert machine.expire(133) == (TransactionEffect.TIMEOUT,)
    assert machine.expire(165) == (TransactionEffect.END,)


def test_cancelling_anything_else_does_nothing() -> None:
    """CANCEL is for INVITE only."""
    assert begun(NON_INVITE_CLIENT).receive(TransactionEvent.CANCEL, 101) == ()


def test_a_refused_invite_waits_for_its_ack() -> None:
    """The answer is repeated until the ACK comes; then all is over at once."""
    machine = begun(INVITE_SERVER)
    assert machine.receive(TransactionEvent.FAILURE, 101) == (TransactionEffect.SEND,)
    assert machine.receive(TransactionEvent.REQUEST, 102) == (TransactionEffect.RESEND,)
    assert machine.receive(TransactionEvent.ACK, 103) == (TransactionEffect.END,)


def test_a_refused_invite_ends_without_an_ack() -> None:
    """Real clients send none for a failed IM; nothing may be left behind by them."""
    machine = begun(INVITE_SERVER)
    machine.receive(TransactionEvent.FAILURE, 101)
    assert machine.expire(133) == (TransactionEffect.END,)


def test_an_accepted_invite_passes_its_ack_on() -> None:
    """The ACK of a 2xx belongs to the dialog; a repeated INVITE does not ring twice."""
    machine = begun(INVITE_SERVER)
    assert machine.receive(TransactionEvent.SUCCESS, 101) == (TransactionEffect.SEND,)
    assert machine.receive(TransactionEvent.REQUEST, 102) == (TransactionEffect.RESEND,)
    assert machine.receive(TransactionEvent.ACK, 103) == (TransactionEffect.TELL,)
    assert machine.expire(133) == (TransactionEffect.END,)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (100, TransactionEvent.PROVISIONAL),
        (199, TransactionEvent.PROVISIONAL),
        (200, TransactionEvent.SUCCESS),
        (299, TransactionEvent.SUCCESS),
        (300, TransactionEvent.FAILURE),
        (699, TransactionEvent.FAILURE),
    ],
)
def test_statuses_are_of_three_kinds(status: int, event: TransactionEvent) -> None:
    """1xx goes on, 2xx succeeds, all others fail."""
    assert answer_event(status) is event


def test_the_branch_names_the_transaction() -> None:
    """Same branch, sent-by and method: the same request again, whatever else it says."""
    assert server_key(request()) == server_key(request(cseq="9 MESSAGE", call_id="other"))
    assert server_key(request()) != server_key(request(via="SIP/2.0/tls 10.0.0.2:4000;branch=z9hG4bKaa"))
    assert server_key(request()) != server_key(request("INFO"))


@pytest.mark.parametrize(
    "via", ["SIP/2.0/tcp 10.0.0.1:4000", "SIP/2.0/tcp 10.0.0.1;branch=1", "SIP/2.0/tcp h;branch=z9hG4bK"]
)
def test_without_a_branch_the_dialog_and_number_name_it(via: str) -> None:
    """The real client's in-dialog requests have a Via without a branch; each is its own transaction."""
    first = server_key(request(via=via))
    assert first == server_key(request(via=via))
    assert first != server_key(request(via=via, cseq="2 MESSAGE"))
    assert first != server_key(request(via=via, call_id="other"))
    assert first != server_key(request(via=via, tag="2"))


@pytest.mark.parametrize("via", ["SIP/2.0/tcp 10.0.0.1:4000", "SIP/2.0/tls 10.0.0.1:4000;branch=z9hG4bKaa"])
def test_an_ack_and_a_cancel_find_their_invite(via: str) -> None:
    """ACK and CANCEL carry the INVITE's number and branch."""
    invite = server_key(request("INVITE", via=via))
    assert server_key(request("ACK", via=via)) == invite
    assert server_key(request("CANCEL", via=via), "INVITE") == invite
    assert server_key(request("CANCEL", via=via)) != invite


def test_a_broken_header_is_the_peers_fault() -> None:
    """A request without a readable CSeq has no name."""
    with pytest.raises(RemoteProtocolError):
        server_key(request(via="SIP/2.0/tcp h", cseq="MESSAGE"))
