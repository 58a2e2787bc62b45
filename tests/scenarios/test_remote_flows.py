"""Flows of another server: what is sent to one is signed and written there, and its end is news that comes later."""

from collections.abc import Iterator
from typing import Any

import pytest

from lyncpy.contracts.facts import FlowClosed, FlowDrained, FlowSilent
from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import ICall
from lyncpy.core.node_channel import GIVE_UP_S, NODES_MOST
from lyncpy.core.remote_flows import ANSWERS_EACH, BODY_MOST
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag, response_to
from tests.kit.actors import Actor
from tests.kit.pool import Pool
from tests.kit.release import kinds_in
from tests.kit.stage import Stage


class Play:
    """Two servers; Bob is signed in at the second, and the first sends to him."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.first: Stage
        self.second: Stage
        self.first, self.second = pool
        (self.bob,) = self.second.sign_in("bob")
        (self.flow,) = self.second.ground.flows.names()
        self.answers: list[Response] = []
        self.told: list[Any] = []
        for kind in (FlowClosed, FlowDrained):
            self.first.ground.platform.bus.listen(kind, self.told.append)

    def message(self, text: bytes = b"hello", to: Actor | None = None) -> Request:
        """Write a message for somebody's device, by its GRUU; Bob's if not said."""
        to = to or self.bob
        sender = f"<sip:alice@example.com>;tag={new_tag()}"
        lines = (("From", sender), ("To", f"<{to.aor}>"), ("Call-ID", new_call_id()), ("CSeq", "1 MESSAGE"))
        kind = ("Content-Type", "text/plain")
        return Request("MESSAGE", to.sip.gruu, Headers((*lines, ("Max-Forwards", "70"), kind)), text)

    def asks(self, text: bytes = b"hello", timeout: float = 10.0) -> ICall:
        """Send it, and keep what is answered."""
        call: ICall = self.first.ground.outbound.send_request(self.flow, self.message(text), timeout=timeout)
        call.final.addCallback(self.answers.append)  # type: ignore[attr-defined]  # it is a Deferred
        return call

    @property
    def statuses(self) -> list[int]:
        """Give what was answered."""
        return [response.status for response in self.answers]


@pytest.fixture
def play() -> Iterator[Play]:
    """Two servers and Bob."""
    with Pool.opened() as pool:
        yield Play(pool)


def test_a_message_is_signed_and_written_at_the_flows_server_and_its_answer_comes_back(play: Play) -> None:
    """Bob's device checks the signature, knows itself by its Contact, and answers; the transaction is the first server's."""
    call = play.asks()
    play.pool.settle()
    assert (play.statuses, call.local) == ([200], False)
    assert [text.body for text in play.bob.texts] == [b"hello"]
    assert [server.tables()["requests sent"] for server in play.pool] == [0, 0]


def test_what_the_bus_loses_reaches_the_flow_all_the_same(play: Play) -> None:
    """Every fourth message between the two is lost: each text arrives once, in order."""
    lost = iter(range(1_000_000))
    play.pool.hub.loses = lambda sender, receiver, said: isinstance(said, bytes) and next(lost) % 4 == 0
    for number in range(10):
        play.asks(str(number).encode())
    play.pool.passes(9)
    assert play.statuses == [200] * 10
    assert [text.body for text in play.bob.texts] == [str(number).encode() for number in range(10)]


def test_a_flow_that_has_gone_is_told_later(play: Play) -> None:
    """Who sends to it for the first time hears of it from the flow's server."""
    play.bob.is_cut_off()
    call = play.asks()
    assert play.statuses == []
    play.pool.settle()
    assert (play.statuses, call.local) == ([430], True)
    assert FlowClosed(play.flow, "connection lost") in play.told


def test_what_is_too_large_between_servers_is_said_to_be_so(play: Play) -> None:
    """Its sender hears 513, and nobody takes the device for gone: what is smaller arrives."""
    call = play.asks(bytes(BODY_MOST + 1))
    assert (play.statuses, call.local) == ([513], True)
    assert play.first.tables()["requests sent"] == 0
    play.asks(b"x" * 200_000)
    play.pool.settle()
    assert play.statuses == [513, 200]
    assert play.told == []


def test_a_request_under_way_ends_with_the_flow(play: Play) -> None:
    """The device is gone before it has answered: that is heard as of a flow of one's own."""
    play.bob.ignores_messages = True
    call = play.asks()
    play.pool.settle()
    play.bob.is_cut_off()
    assert (play.statuses, call.local) == ([430], True)


def test_a_server_that_is_lost_takes_its_flows_along(play: Play) -> None:
    """Nobody answers in its place: when its lease has run out all its flows are known to be gone."""
    play.second.kill()
    play.asks()
    play.pool.passes(GIVE_UP_S + 10)
    assert play.statuses == [430]
    assert [fact for fact in play.told if isinstance(fact, FlowClosed)] == [FlowClosed(play.flow, "its server is lost")]


def test_a_flow_that_nobody_has_is_gone(play: Play) -> None:
    """One of this server that is over, at once; one of another, when that has said so."""
    outbound = play.first.ground.outbound
    with pytest.raises(FlowGone):
        outbound.send_unanswered(FlowName(f"{play.first.node}/99"), play.message())
    gone = FlowName(f"{play.second.node}/99")
    outbound.send_unanswered(gone, play.message())
    play.pool.settle()
    assert play.told == [FlowClosed(gone, "connection lost")]


def test_a_flow_of_another_server_can_be_closed(play: Play) -> None:
    """Its client is disconnected there."""
    play.first.ground.flows.close_flow(play.flow, "enough")
    play.pool.settle()
    assert not play.bob.sip.is_connected


def test_who_answers_for_a_connection_hears_that_it_is_gone(play: Play) -> None:
    """A server that has answered what came on it has sent nothing to it; of one that is gone already nothing is kept."""
    (carol,) = play.second.sign_in("carol")
    (flow,) = set(play.second.ground.flows.names()) - {play.flow}
    host, bus = play.second.ground.flow_host, play.second.ground.platform.bus
    host.note(play.first.node, flow)
    carol.is_cut_off()
    assert play.told == [FlowClosed(flow, "connection lost")]
    host.note(play.first.node, flow)
    bus.tell_here(FlowClosed(flow, "again"))
    play.pool.settle()
    assert len(play.told) == 1


def test_a_client_that_does_not_answer_is_looked_for_by_its_server(play: Play) -> None:
    """Whoever has asked it in vain tells that server alone, which asks whether it is there, and closes its connection."""
    silent: dict[object, list[Any]] = {server.node: [] for server in play.pool}
    for server in play.pool:
        server.ground.platform.bus.listen(FlowSilent, silent[server.node].append)
    play.bob.ignores_messages = True
    play.asks(timeout=5)
    play.pool.passes(6)
    assert play.statuses == [408]
    assert silent == {play.first.node: [], play.second.node: [FlowSilent(play.flow)]}


def filled(play: Play, bob: Actor) -> None:
    """Send to Bob, who does not read, until his connection is full for the first server."""
    bob.sip.connect().stop_reading()
    for _ in range(200):
        play.first.ground.outbound.send_unanswered(play.flow, play.message(b"x" * 4_000))
        play.pool.settle()
    assert play.first.ground.flows.is_full(play.flow)


def test_only_who_knows_of_a_connection_hears_of_it(play: Play) -> None:
    """Servers that have sent nothing to it, and answered nothing, hear neither that it is full nor that it is gone."""
    play.pool.joins()
    heard: list[tuple[object, str]] = []

    def hears(sender: object, receiver: object, said: object) -> bool:
        if isinstance(said, FlowClosed | FlowDrained | FlowSilent):
            heard.append((receiver, type(said).__name__))
        elif isinstance(said, bytes) and b' flow"' in said:
            heard.extend((receiver, kind) for kind in kinds_in(said) if kind.endswith(" flow"))
        return False

    play.pool.hub.loses = hears
    filled(play, play.bob)
    play.bob.sip.connect().read_again()
    play.pool.settle()
    play.bob.is_cut_off()
    play.pool.settle()
    assert set(heard) == {(play.first.node, "taken flow"), (play.first.node, "gone flow")}
    assert play.told == [FlowDrained(play.flow), FlowClosed(play.flow, "connection lost")]


def test_a_full_flow_is_heard_of_when_it_has_drained(play: Play) -> None:
    """What its client has not read counts for whoever sends; then it reads again."""
    filled(play, play.bob)
    assert play.told == []
    play.bob.sip.connect().read_again()
    play.pool.settle()
    assert FlowDrained(play.flow) in play.told
    assert not play.first.ground.flows.is_full(play.flow)


def test_a_full_flow_of_which_nothing_is_heard_is_tried_again(play: Play) -> None:
    """That it has drained may be lost for ever: who waits for it looks again after a while."""
    filled(play, play.bob)
    play.pool.passes(6)
    assert FlowDrained(play.flow) in play.told


def test_a_flow_waits_while_much_is_under_way_to_its_server(play: Play) -> None:
    """Nothing is refused of what can wait, though the room for all flows of a server is nearly used; then it is told."""
    (erin,) = play.second.sign_in("erin")
    erins = play.second.ground.flows.names()[-1]
    others = [(play.flow, play.bob)]
    for user in ("carol", "dave"):
        (one,) = play.second.sign_in(user)
        others.append((play.second.ground.flows.names()[-1], one))
    flows, outbound = play.first.ground.flows, play.first.ground.outbound
    assert not flows.is_full(erins)
    play.pool.hub.loses = lambda sender, receiver, said: isinstance(said, bytes)
    for flow, one in others:
        for number in range(16):
            said = play.message(b"x" * 100_000, one)
            # Nobody alone may have so much under way.
            outbound.send_unanswered(
                flow, said.edited(last=[("P-Asserted-Identity", f"<sip:user{number}@example.com>")])
            )
    assert flows.is_full(erins)
    play.pool.hub.loses = lambda sender, receiver, said: False
    play.pool.passes(20)
    assert FlowDrained(erins) in play.told
    assert not flows.is_full(erins)
    assert erin.sip.is_connected


def answers_nobody(client: Actor, names: Iterator[str]) -> None:
    """Have a client answer what nobody asked it; the branch of each answer names a server."""
    request = client.sip.request("OPTIONS", client.aor)
    for name in names:
        answer = response_to(request.edited(first=[("Via", f"SIP/2.0/TLS x:1;branch=z9hG4bK{name}.x")]), 200)
        client.sip.reply(answer)


def test_who_makes_up_names_of_servers_has_nothing_done_by_one_server() -> None:
    """More of them than servers are ever remembered: none is, and nothing else is forgotten for them."""
    with Stage.opened() as stage:
        (mallory,) = stage.sign_in("mallory")
        answers_nobody(mallory, (f"server{number}" for number in range(NODES_MOST + 10)))
        stage.passes(1)
        assert stage.ground.channels.nodes == 0
        assert mallory.sip.is_connected


def test_who_makes_up_names_of_servers_has_nothing_done_by_several(play: Play) -> None:
    """Nor does anybody who names a real one, which has not asked them: what others have under way stays."""
    play.bob.ignores_messages = True
    call = play.asks()
    play.pool.settle()
    (mallory,) = play.second.sign_in("mallory")
    sent: list[bytes] = []

    def counts(sender: object, receiver: object, said: object) -> bool:
        if isinstance(said, bytes):
            sent.append(said)
        return False

    play.pool.passes(1)
    play.pool.hub.loses = counts
    answers_nobody(mallory, (f"server{number}" for number in range(NODES_MOST + 10)))
    answers_nobody(mallory, iter([str(play.first.node)] * 10))
    play.pool.settle()
    assert sent == []
    assert [server.ground.channels.nodes for server in play.pool] == [1, 1]
    assert (play.statuses, play.told, call.local) == ([], [], False)


def test_a_client_answers_a_request_so_many_times_and_no_more(play: Play) -> None:
    """Each answer is carried to the server that asked: who repeats one for ever has it carried a few times."""
    carried: list[str] = []

    def counts(sender: object, receiver: object, said: object) -> bool:
        if isinstance(said, bytes):
            carried.extend(kind for kind in kinds_in(said) if kind == "answer")
        return False

    play.pool.hub.loses = counts
    call = play.asks()
    play.pool.settle()
    (request,) = [request for request in play.bob.sip.heard if request.method == "MESSAGE"]
    for _ in range(100):
        play.bob.sip.reply(response_to(request, 200))
    play.pool.settle()
    assert (play.statuses, call.local, len(carried)) == ([200], False, ANSWERS_EACH)


def test_people_stay_signed_in_while_their_servers_do_not_hear_one_another(play: Play) -> None:
    """What servers send one another is lost for a minute, though both live: each gives up the other, and nobody else."""
    (alice,) = play.first.sign_in("alice")
    play.pool.hub.loses = lambda sender, receiver, said: isinstance(said, bytes)
    play.asks(timeout=60)
    play.second.ground.outbound.send_unanswered(play.first.ground.flows.names()[0], play.message())
    play.pool.passes(60)
    assert play.statuses == [430]
    assert [server.tables()["endpoints"] for server in play.pool] == [1, 1]
    assert (alice.sip.is_connected, play.bob.sip.is_connected) == (True, True)
    play.pool.hub.loses = lambda sender, receiver, said: False
    play.pool.passes(60)
    assert (alice.publishes(3500).status, play.bob.publishes(3500).status) == (200, 200)
    mine, _ = alice.talks_to(play.bob)
    assert mine.says("hello").status == 200
