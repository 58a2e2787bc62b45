"""Calls that gateways bring into the house."""

from collections.abc import Iterator

import pytest

from lyncpy.sip.message import Request
from tests.kit.gateways import ANSWER, FakeGateway
from tests.kit.phones import OFFER, Callee
from tests.kit.stage import Stage

ALICE = "sip:0100@sip.example.com:5068;user=phone"
VOICE = {
    "dial_plans": {
        "default": {"rules": [{"pattern": r"^(\d{4})$", "translation": "+1425555$1"}]},
        "berlin": {"rules": [{"pattern": r"^0(30\d+)$", "translation": "+49$1"}]},
    },
    "policies": {"default": {"usages": ["world"]}},
    "routes": {"out": {"pattern": r"^\+49", "usages": ["world"], "gateways": ["first"]}},
    "gateways": {
        "first": {"address": "192.0.2.7", "transport": "udp", "calls": 2},
        "second": {"address": "192.0.2.8", "transport": "tcp", "dial_plan": "berlin", "sources": ["203.0.113.0/24"]},
    },
}


@pytest.fixture
def office() -> Iterator[Stage]:
    """Alice has a number, and a private line; Carol and Dave share one."""
    with Stage.opened(voice=VOICE) as stage:
        stage.peers.gateway("192.0.2.7")
        stage.peers.gateway("192.0.2.8", transport="tcp")
        stage.changes("alice", line="tel:+14255550100", private_line="tel:+14255550199")
        stage.changes("bob", line="tel:+493012345")
        stage.changes("carol", line="tel:+14255550103")
        stage.changes("dave", line="tel:+14255550103")
        stage.pulls()
        yield stage


@pytest.fixture
def first(office: Stage) -> FakeGateway:
    """A gateway."""
    return office.peers.gateways["192.0.2.7"]


@pytest.fixture
def alice(office: Stage) -> Callee:
    """Her telephone."""
    (actor,) = office.sign_in("alice")
    return Callee(actor)


def invite(callee: Callee) -> Request:
    """What a device was sent."""
    assert callee.invite is not None
    return callee.invite


def talking(office: Stage, gateway: FakeGateway, alice: Callee) -> None:
    """Have Alice in a call from outside."""
    gateway.calls(ALICE)
    office.settle()
    alice.says(200, body=OFFER)
    office.settle()
    assert gateway.finals[-1].status == 200


def test_a_number_rings_its_person(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """By the dial plan; the caller is shown by number, and by the name of who has that number. Either may hang up."""
    first.calls(ALICE)
    office.settle()
    asked = invite(alice)
    assert asked.from_.uri == "sip:+493012345@example.com;user=phone"
    assert asked.from_.display == office.someone("bob").display_name
    assert asked.headers.get("P-Asserted-Identity") == "<sip:+493012345@example.com>"
    assert (asked.to.uri, asked.body) == ("sip:+14255550100@example.com;user=phone", ANSWER)
    alice.says(180)
    office.settle()
    assert first.provisionals[-1].status == 180
    alice.says(200, body=OFFER)
    office.settle()
    assert (first.finals[-1].status, first.finals[-1].body) == (200, OFFER)
    assert len(alice.acks) == 1
    assert "alice" not in str(list(first.finals[-1].headers))
    first.asks("BYE")
    office.settle()
    assert alice.methods == ["BYE"]
    [record] = office.sessions("alice")
    assert (record.user1, record.user1_endpoint, record.user2) == ("tel:+493012345", "first", "sip:alice@example.com")
    assert (record.ended_by, record.end_reason, record.response_code) == ("user1", "bye", 200)


def test_the_callee_hangs_up(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """Where she holds the call before, the gateway is told that, too."""
    talking(office, first, alice)
    del first.answers["INVITE"]
    assert alice.sends("INVITE", body=OFFER).status == 200
    assert first.methods == ["INVITE", "ACK"]
    first.asks("UPDATE", body=ANSWER)
    office.settle()
    assert (first.finals[-1].status, first.finals[-1].body) == (200, OFFER)
    assert alice.sends("BYE").status == 200
    assert first.methods[-1] == "BYE"
    [record] = office.sessions("alice")
    assert (record.ended_by, record.end_reason) == ("user2", "bye")
    assert [row[4] for row in office.shell("gateways").rows] == [0, 0]


def test_a_call_that_rings_is_given_up(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """Alice hears no more of it."""
    call = first.calls(ALICE)
    office.settle()
    first.cancels(call)
    office.settle()
    assert alice.cancels == 1
    assert [one.status for one in first.finals] == [200, 487]
    assert [one.end_reason for one in office.sessions("alice")] == ["cancelled"]


@pytest.mark.parametrize(
    ("number", "status", "error_id"),
    [
        ("0177", 404, "4005"),
        ("0103", 485, "4009"),
        ("nonsense!", 400, "1018"),
        ("99", 404, "14010"),
        ("+4940999", 404, "4005"),
        ("alice", 404, "14010"),
    ],
    ids=["nobody's", "two people's", "no number", "no rule", "out of the house again", "an address"],
)
def test_a_number_that_rings_nobody_is_refused(
    office: Stage, first: FakeGateway, number: str, status: int, error_id: str
) -> None:
    """And no call goes through the house to another telephone."""
    first.calls(f"sip:{number}@sip.example.com;user=phone")
    office.settle()
    [final] = first.finals
    assert (final.status, (final.headers.get("ms-diagnostics") or "")[: len(error_id)]) == (status, error_id)
    assert first.methods == []


def test_who_is_not_signed_in_is_not_rung(office: Stage, first: FakeGateway) -> None:
    """480, as in any call; an answer of hers passes as it is."""
    first.calls(ALICE)
    office.settle()
    assert first.finals[-1].status == 480
    (actor,) = office.sign_in("alice")
    alice = Callee(actor)
    first.calls(ALICE)
    office.settle()
    alice.says(486)
    office.settle()
    assert first.finals[-1].status == 486


def test_a_caller_may_be_anonymous(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """By their wish, or because nobody could make a number of what the gateway says."""
    first.calls(ALICE, fields=[("Privacy", "id"), ("P-Asserted-Identity", "<sip:+4930777@carrier.example>")])
    office.settle()
    assert invite(alice).from_.uri == "sip:anonymous@anonymous.invalid"
    assert "4930777" not in str(list(invite(alice).headers))
    alice.says(486)
    office.settle()
    first.calls(ALICE, caller="nobody")
    office.settle()
    assert invite(alice).from_.uri == "sip:anonymous@anonymous.invalid"


def test_what_a_gateway_asserts_counts_more_than_from(office: Stage, alice: Callee) -> None:
    """By its own dial plan, from any of its addresses; its names are shown where nobody here has the number."""
    other = office.peers.gateway("203.0.113.9", transport="tcp")
    asserted = [("P-Asserted-Identity", '"Shop" <tel:030777>')]
    other.calls("sip:+14255550100@sip.example.com;user=phone", fields=asserted)
    office.settle()
    assert invite(alice).from_.uri == "sip:+4930777@example.com;user=phone"
    assert invite(alice).from_.display == "Shop"


def test_no_more_calls_than_a_gateway_may_have(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """The third is refused, with when to try again; and one without audio and video is."""
    for _ in range(2):
        first.calls(ALICE)
        office.settle()
    first.calls(ALICE)
    office.settle()
    assert (first.finals[-1].status, first.finals[-1].headers.get("Retry-After")) == (503, "10")
    alice.says(486)


def test_a_private_line_is_rung_as_one(office: Stage, first: FakeGateway, alice: Callee) -> None:
    """History-Info says so."""
    first.calls("sip:+14255550199@sip.example.com;user=phone")
    office.settle()
    assert "ms-line-type=private" in (invite(alice).headers.get("History-Info") or "")
    alice.says(486)
