"""Calls out of the house, by gateways that stand beside the server."""

from collections.abc import Iterator

import pytest

from lyncpy.sip.message import response_to
from lyncpy.workloads.voice.settings import Settings
from tests.kit.gateways import ANSWER, FakeGateway
from tests.kit.phones import OFFER, Caller
from tests.kit.stage import Stage

NUMBER = "tel:+493012345"
VOICE = {
    "policies": {"default": {"usages": ["world"]}},
    "routes": {"out": {"pattern": r"^\+", "usages": ["world"], "gateways": ["first", "second"]}},
    "trunks": {"first": {"called": [{"pattern": r"^\+(\d+)$", "translation": "00$1"}]}},
    "gateways": {
        "first": {"address": "gw.example.net", "transport": "udp", "calls": 2},
        "second": {"address": "192.0.2.8", "transport": "tcp"},
    },
}


@pytest.fixture
def office() -> Iterator[Stage]:
    """Two gateways; Alice has a number."""
    with Stage.opened(voice=VOICE) as stage:
        stage.peers.names["gw.example.net"] = "192.0.2.7"
        stage.peers.gateway("192.0.2.7")
        stage.peers.gateway("192.0.2.8", transport="tcp")
        stage.changes("alice", line="tel:+14255550100;ext=100")
        stage.pulls()
        yield stage


@pytest.fixture
def first(office: Stage) -> FakeGateway:
    """The one that is tried first."""
    return office.peers.gateways["192.0.2.7"]


@pytest.fixture
def second(office: Stage) -> FakeGateway:
    """The one that is tried next."""
    return office.peers.gateways["192.0.2.8"]


@pytest.fixture
def alice(office: Stage) -> Caller:
    """Her telephone."""
    (actor,) = office.sign_in("alice")
    return Caller(actor)


def talking(office: Stage, alice: Caller, gateway: FakeGateway) -> None:
    """Have Alice in a call at a gateway."""
    exchange = alice.calls(NUMBER)
    gateway.says(200, body=ANSWER)
    office.settle()
    assert exchange.status == 200
    assert gateway.methods[-2:] == ["INVITE", "ACK"]


def calls_at(office: Stage) -> list[object]:
    """Give how many calls there are at each gateway."""
    return [row[4] for row in office.shell("gateways").rows]


def test_a_number_is_called_and_hung_up(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """The gateway is told the number as it wants it, and whose call it is; the record has both, and the gateway."""
    exchange = alice.calls(NUMBER)
    invite = first.last("INVITE")
    assert invite.uri == "sip:00493012345@gw.example.net:5060;transport=udp;user=phone"
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+14255550100@sip.example.com;user=phone>"
    assert "ms-" not in str(list(invite.headers)).lower()
    assert invite.body == OFFER
    first.says(180)
    office.settle()
    assert exchange.provisional[-1].status == 180
    first.says(200, body=ANSWER)
    office.settle()
    assert (exchange.status, exchange.answer.body) == (200, ANSWER)
    assert first.methods == ["INVITE", "ACK"]
    assert calls_at(office) == [1, 0]
    assert alice.sends("BYE").status == 200
    assert first.methods == ["INVITE", "ACK", "BYE"]
    assert calls_at(office) == [0, 0]
    [record] = office.sessions("alice")
    assert (record.user2, record.user2_endpoint, record.media) == ("tel:+493012345", "first", "audio")
    assert (record.ended_by, record.end_reason, record.response_code) == ("user1", "bye", 200)


def test_the_callee_hangs_up(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """Alice is told, and the record says who it was."""
    talking(office, alice, first)
    first.asks("BYE", [("Reason", "Q.850;cause=16")])
    office.settle()
    assert alice.methods == ["BYE"]
    assert alice.heard[0].headers.get("Reason") == "Q.850;cause=16"
    assert first.finals[-1].status == 200
    [record] = office.sessions("alice")
    assert (record.ended_by, record.end_reason) == ("user2", "bye")


def test_early_media_and_reliable_answers_pass(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """183 with what is heard meanwhile; PRACK and UPDATE reach the gateway in its dialog."""
    exchange = alice.calls(NUMBER)
    assert first.last("INVITE").headers.get("Supported") == "100rel, timer"
    first.says(183, [("Require", "100rel"), ("RSeq", "1")], body=ANSWER)
    office.settle()
    assert exchange.provisional[-1].body == ANSWER
    [acknowledged] = alice.looks()
    assert acknowledged.status == 200
    assert first.last("PRACK").headers.get("RAck") == f"1 {first.last('INVITE').cseq.number} INVITE"
    assert alice.sends("UPDATE", body=OFFER).status == 200
    first.says(200, body=ANSWER)
    office.settle()
    assert exchange.status == 200
    assert alice.sends("BYE").status == 200
    numbers = [one.cseq.number for one in first.heard if one.method not in ("INVITE", "ACK")]
    assert numbers == sorted(set(numbers))


def test_a_call_is_changed_by_either_side(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """Hold: a re-INVITE passes, with its answer and its ACK; a second one meanwhile is refused with 491."""
    talking(office, alice, first)
    first.answers["INVITE"] = lambda request: None
    held = alice.actor.sip.begin(next(iter(alice.dialogs.values())).next_request("INVITE", [alice.contact], OFFER))
    office.settle()
    first.asks("INVITE", body=ANSWER)
    office.settle()
    assert first.finals[-1].status == 491
    first.says(200, body=ANSWER)
    office.settle()
    assert held.status == 200
    alice.actor.sip.begin(next(iter(alice.dialogs.values())).ack(held.request))
    office.settle()
    assert first.methods[-2:] == ["INVITE", "ACK"]
    first.asks("INVITE", body=ANSWER)
    office.settle()
    assert (first.finals[-1].status, first.finals[-1].body) == (200, OFFER)
    first.acknowledges()
    office.settle()
    assert alice.methods == ["INVITE"]
    assert len(alice.acks) == 1


def test_a_call_that_rings_is_cancelled(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """CANCEL goes once something was heard; a 200 that crosses it is acknowledged and ended."""
    exchange = alice.calls(NUMBER)
    first.says(180)
    office.settle()
    alice.cancels()
    assert first.methods[-1] == "CANCEL"
    first.says(487)
    office.settle()
    assert exchange.status == 487
    crossed = alice.calls(NUMBER)
    first.says(180)
    office.settle()
    alice.cancels()
    first.says(200, body=ANSWER)
    office.settle()
    assert crossed.status == 487
    assert first.methods[-2:] == ["ACK", "BYE"]
    assert calls_at(office) == [0, 0]
    assert [one.end_reason for one in office.sessions("alice")] == ["cancelled", "cancelled"]


def test_the_next_gateway_is_tried(office: Stage, alice: Caller, first: FakeGateway, second: FakeGateway) -> None:
    """When one wants no calls, which it is believed for as long as it says; a busy callee is busy everywhere."""
    exchange = alice.calls(NUMBER)
    first.says(503, [("Retry-After", "20")])
    office.settle()
    assert second.last("INVITE").uri == "sip:+493012345@192.0.2.8:5060;transport=tcp;user=phone"
    second.says(486)
    office.settle()
    assert exchange.status == 486
    alice.calls(NUMBER)
    assert second.methods.count("INVITE") == 2
    second.says(603)
    office.passes(21)
    alice.calls(NUMBER)
    assert first.methods.count("INVITE") == 2


def test_a_gateway_that_is_silent_is_called_no_more_until_it_answers(
    office: Stage, alice: Caller, first: FakeGateway, second: FakeGateway
) -> None:
    """The call goes on at the next one; a condition says so, and that nobody can be called when none is left."""
    office.expect('no gateway of the route "out" answers')
    first.is_gone = True
    exchange = alice.calls(NUMBER)
    office.passes(7)
    second.says(200, body=ANSWER)
    office.settle()
    assert exchange.status == 200
    assert [row[2] for row in office.shell("gateways").rows] == ["down", "up"]
    assert "first" in str(office.shell("conditions").rows)
    second.is_gone = True
    office.passes(60)
    again = alice.calls(NUMBER)
    assert (again.status, again.diagnostics) == (480, 61_480)
    [grave] = [row for row in office.shell("conditions").rows if row[0] == "error"]
    assert "out" in str(grave)
    first.is_gone = second.is_gone = False
    office.passes(60)
    assert [row[2] for row in office.shell("gateways").rows] == ["up", "up"]
    assert not [row for row in office.shell("conditions").rows if row[1] == "voice"]


def test_what_datagrams_lose_is_sent_again(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """The INVITE, and the ACK when its 200 comes again."""
    office.peers.lose = 1
    exchange = alice.calls(NUMBER)
    assert first.methods == []
    office.passes(0.6)
    assert first.methods == ["INVITE"]
    first.says(200, body=ANSWER)
    office.settle()
    first.says(200, body=ANSWER)
    office.settle()
    assert first.methods == ["INVITE", "ACK", "ACK"]
    first.says(200, body=ANSWER, tag="another")
    office.settle()
    assert first.methods[-2:] == ["ACK", "BYE"]
    assert exchange.status == 200
    assert calls_at(office) == [1, 0]


def test_no_more_calls_than_a_gateway_takes(office: Stage, first: FakeGateway, second: FakeGateway) -> None:
    """The third goes to the next."""
    first.answers["INVITE"] = lambda request: response_to(request, 100)
    for user in ("alice", "bob", "carol"):
        (actor,) = office.sign_in(user)
        Caller(actor).calls(NUMBER)
    assert (first.methods, second.methods) == (["INVITE", "INVITE"], ["INVITE"])


def test_who_is_hidden_is_hidden(office: Stage, first: FakeGateway) -> None:
    """Bob has no number: nothing of him leaves the house."""
    (bob,) = office.sign_in("bob")
    Caller(bob).calls(NUMBER)
    invite = first.last("INVITE")
    assert invite.from_.uri == "sip:anonymous@anonymous.invalid"
    assert invite.headers.get("Privacy") == "id"
    assert "bob" not in str(list(invite.headers))


def test_a_device_that_vanishes_ends_its_call(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """The gateway is told, and the record."""
    talking(office, alice, first)
    alice.actor.signs_out()
    office.settle()
    assert first.methods[-1] == "BYE"
    assert [one.end_reason for one in office.sessions("alice")] == ["signed out"]


def test_a_server_that_ends_ends_its_calls(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """Both sides are told."""
    talking(office, alice, first)
    office.stop()
    assert first.methods[-1] == "BYE"
    assert alice.methods == ["BYE"]
    office.start()
    assert [one.end_reason for one in office.sessions("alice")] == ["restart"]


def test_a_gateway_that_has_forgotten_the_call_ends_it(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """481 to what is asked in it; Alice is told."""
    talking(office, alice, first)
    first.answers["INFO"] = lambda request: None
    first.answers["UPDATE"] = first.answers["INFO"]
    exchange = alice.actor.sip.begin(next(iter(alice.dialogs.values())).next_request("UPDATE", [alice.contact]))
    office.passes(40)
    assert exchange.status == 408
    assert alice.methods == ["BYE"]


def test_gateways_say_only_what_belongs_to_a_call(office: Stage, alice: Caller, first: FakeGateway) -> None:
    """Others get 481; whoever is no gateway is not heard."""
    talking(office, alice, first)
    dialog = first.dialog
    assert dialog is not None
    dialog.call_id = "another"
    first.asks("INFO")
    office.settle()
    assert first.finals[-1].status == 481
    first.asks("MESSAGE")
    office.settle()
    assert first.finals[-1].status == 405
    refusals = "lyncpy_core_peer_refusals_total"
    assert office.meter.count(refusals, status="481", diagnostics="1004") == 1
    assert office.meter.count(refusals, status="405", diagnostics="") == 1
    stranger = office.peers.gateway("198.51.100.1")
    stranger.calls("sip:+14255550100@example.com;user=phone")
    office.settle()
    assert stranger.finals == []


def test_other_gateways_count_when_settings_are_read_again(office: Stage, alice: Caller) -> None:
    """One is moved; the old one is asked no more."""
    moved = office.peers.gateway("192.0.2.9")
    given = {**VOICE, "trunks": {}, "gateways": {"first": {"address": "192.0.2.9", "transport": "udp"}}}
    assert office.inside.workloads.voice.adopt(Settings.model_validate(given))
    office.settle()
    alice.calls(NUMBER)
    assert moved.methods == ["INVITE"]
