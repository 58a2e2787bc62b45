"""The promise IBus between nodes: one node that is its own neighbour, and two on a real nats-server, also behind a bad network."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from lyncpy.backends import bus as memory
from lyncpy.backends.nats import bus, peers, questions
from lyncpy.backends.nats.encoding import key_token, write_fact
from lyncpy.contracts.bus import SENT_MOST, BusTimeout, IBus
from lyncpy.contracts.facts import AccessChanged, EndpointGone, EndpointGoneReason, FlowClosed, FlowDrained
from lyncpy.contracts.names import FlowName, NodeName, aor_of, epid_of
from tests.kit.nats import NatsServer, ReactorLoop, Subscriber
from tests.kit.nodes import HERE, SIGN_S, THERE, HowMany, Pair, node, pair_of, reply, the_proxy
from tests.kit.results import started


def received(pair: Pair) -> list[tuple[NodeName, bytes]]:
    """Begin to write down what is sent to `here`."""
    found: list[tuple[NodeName, bytes]] = []
    pair.here.receive(lambda node, data: found.append((node, data)))
    return found


# --- on every implementation


def test_nobody_sends_to_themselves(pair: Pair) -> None:
    """What one node sends another is for others; what is too large is known not to arrive."""
    found = received(pair)
    assert not pair.here.send(HERE, b"hello")
    assert not pair.there.send(HERE, b"x" * (SENT_MOST + 1))
    pair.settle()
    assert found == []


def test_facts_are_heard_once_and_in_order(pair: Pair) -> None:
    """By all who listen to exactly this kind, wherever they were told."""
    assert IBus.providedBy(pair.here)
    found, others = pair.heard(), pair.heard(FlowDrained)
    names = [str(number) for number in range(200)]
    pair.tell(*names)
    assert pair.until_heard(found, 200) == names
    assert others == []


def test_a_fact_arrives_whole(pair: Pair) -> None:
    """With the letters of an epid as its device writes them."""
    found = pair.heard(EndpointGone)
    told = EndpointGone(
        aor_of("alice@example.com"), epid_of("AbC"), FlowName("n/1"), EndpointGoneReason.EXPIRED, last=True
    )
    pair.there.tell(told)
    pair.loop.until(lambda: found)
    assert found == [told]
    assert found[0].epid.written == "AbC"


def test_who_stops_hears_no_more_and_may_listen_again(pair: Pair) -> None:
    """Others who listen go on; what was told meanwhile counts as nothing that was lost."""
    found = pair.heard()
    first: list[Any] = []
    listening = pair.here.listen(FlowClosed, first.append)
    pair.settle()
    pair.tell("1")
    pair.until_heard(found, 1)
    listening.stop()
    listening.stop()
    pair.tell("2")
    assert pair.until_heard(found, 2) == ["1", "2"]
    assert [fact.flow for fact in first] == ["1"]
    again = pair.here.listen(FlowClosed, first.append)
    again.stop()
    assert sum(one.lost for one in pair.here.others()) == 0


def test_a_slow_listener_hears_one_after_the_other(pair: Pair) -> None:
    """Also what comes from elsewhere."""
    gates: list[Deferred[None]] = []

    async def slowly(fact: FlowClosed) -> None:
        gates.append(Deferred())
        await gates[-1]

    pair.here.listen(FlowClosed, slowly)
    found = pair.heard()
    pair.tell("1", "2")
    pair.until_heard(found, 2)
    assert len(gates) == 1
    gates[0].callback(None)
    pair.loop.until(lambda: len(gates) == 2)


def test_a_question_is_answered(pair: Pair) -> None:
    """By the node that is asked."""
    pair.there.answer(HowMany, reply(lambda question: len(question.of)))
    pair.settle()
    assert pair.loop.wait(pair.here.ask(pair.there_name, HowMany("seven letters"), 5.0)) == 13


def test_many_questions_have_each_their_own_answer(pair: Pair) -> None:
    """Whichever is answered first."""
    waiting: list[Deferred[int]] = []

    async def later(question: HowMany) -> int:
        waiting.append(Deferred())
        return await waiting[-1]

    pair.there.answer(HowMany, later)
    pair.settle()
    answers = [started(pair.here.ask(pair.there_name, HowMany(str(number)), 5.0)) for number in range(5)]
    pair.loop.until(lambda: len(waiting) >= 5)
    for number, one in enumerate(reversed(waiting[:5])):
        one.callback(number)
    pair.loop.until(lambda: all(one.called for one in answers))
    assert [one.result for one in answers] == [4, 3, 2, 1, 0]


def test_who_is_not_there_or_answers_nothing_is_not_waited_for(pair: Pair) -> None:
    """It is known before the time is over: no such node, no answer to such a question, or one that failed."""
    with pytest.raises(BusTimeout):
        pair.loop.wait(pair.here.ask(NodeName("nobody"), HowMany(""), 1000.0))
    with pytest.raises(BusTimeout):
        pair.loop.wait(pair.here.ask(pair.there_name, HowMany(""), 1000.0))
    pair.there.answer(HowMany, reply(lambda question: 1 // 0))
    with pytest.raises(BusTimeout), capturedLogs():
        pair.loop.wait(pair.here.ask(pair.there_name, HowMany(""), 1000.0))


def test_an_answer_that_does_not_come_is_waited_for_as_long_as_was_said(pair: Pair) -> None:
    """And is nobody's when it comes after all."""
    late: list[Deferred[int]] = []

    async def later(question: HowMany) -> int:
        late.append(Deferred())
        return await late[-1]

    pair.there.answer(HowMany, later)
    pair.settle()
    with pytest.raises(BusTimeout):
        pair.loop.wait(pair.here.ask(pair.there_name, HowMany(""), 0.1))
    for one in late:
        if not one.called:
            one.callback(1)
    pair.settle()


# --- between two nodes


def test_each_hears_what_the_other_tells_and_nobody_twice(
    loop: ReactorLoop, server: NatsServer, tmp_path: Path
) -> None:
    """What a node tells itself does not come back to it over the bus."""
    pair = pair_of("nats, two nodes", loop, server, tmp_path)
    here, there = pair.heard(), list[Any]()
    pair.there.listen(FlowClosed, there.append)
    pair.settle()
    pair.tell("1")
    pair.here.tell(FlowClosed(FlowName("2"), ""))
    loop.until(lambda: len(here) == len(there) == 2)
    pair.settle()
    assert len(here) == len(there) == 2
    assert [one.name for one in pair.here.others()] == [THERE]
    assert [one.name for one in pair.there.others()] == [HERE]


def test_another_deployment_on_the_same_servers_is_not_heard(loop: ReactorLoop, server: NatsServer) -> None:
    """Its subjects begin otherwise."""
    here, there = node(loop, HERE, server.url, subject="ours"), node(loop, THERE, server.url, subject="theirs")
    found: list[Any] = []
    here.listen(FlowClosed, found.append)
    Pair(loop, here, there, THERE).settle()
    there.tell(FlowClosed(FlowName("1"), ""))
    loop.passes(SIGN_S * 2)
    Pair(loop, here, there, THERE).settle()
    assert (found, list(here.others())) == ([], [])


def test_bytes_go_to_one_node_in_order(far: Pair) -> None:
    """Any bytes, with the name of who sends them; a receiver that fails goes on receiving."""
    found = received(far)
    assert [far.there.send(HERE, data) for data in (b"", b"\0\r\n\xff", b"x" * 900_000)] == [True] * 3
    far.settle()
    assert found == [(THERE, b""), (THERE, b"\0\r\n\xff"), (THERE, b"x" * 900_000)]

    def fail(node: NodeName, data: bytes) -> None:
        raise ZeroDivisionError

    far.here.receive(fail)
    with capturedLogs() as logged:
        far.there.send(HERE, b"in vain")
        far.settle()
    assert [event["node"] for event in logged if "log_failure" in event] == [THERE]


def test_bytes_for_nobody_go_nowhere(far: Pair) -> None:
    """A node that is not there is not known not to be; a name that none can have is."""
    assert far.there.send(NodeName("nobody"), b"hello")
    assert not far.there.send(NodeName("no.body"), b"hello")


def test_a_subscriber_may_ask_for_one_users_facts(far: Pair, server: NatsServer) -> None:
    """By the key in the subject."""
    alice = AccessChanged(aor_of("alice@example.com"))
    token = key_token(alice)
    subscriber = Subscriber(server, f"*.fact.*.{token}")
    far.there.tell(AccessChanged(aor_of("bob@example.com")))
    far.there.tell(alice)
    far.settle()
    told = subscriber.next_json(r".*\.fact\.AccessChanged\..*")
    assert (told["fact"], told["node"], told["n"]) == ({"aor": "sip:alice@example.com"}, THERE, 2)
    subscriber.close()


# --- a bad network


def test_what_is_lost_is_noticed_by_the_next_that_comes(far: Pair) -> None:
    """The numbers have a gap."""
    found = far.heard()
    far.tell("1")
    far.until_heard(found, 1)
    the_proxy(far).copies = lambda payload: 0 if b"FlowClosed" in payload else 1
    far.tell("2", "3")
    far.settle()
    the_proxy(far).copies = lambda payload: 1
    far.tell("4")
    assert far.until_heard(found, 2) == ["1", "4"]
    assert [one.lost for one in far.here.others()] == [2]


def test_what_was_lost_last_is_noticed_by_a_sign_of_life(far: Pair) -> None:
    """Nothing has to be told for it."""
    found = far.heard()
    far.tell("1")
    far.until_heard(found, 1)
    the_proxy(far).copies = lambda payload: 0 if b'"FlowClosed","n"' in payload else 1
    with capturedLogs() as logged:
        far.tell("2", "3")
        far.loop.until(lambda: [one.lost for one in far.here.others()] == [2])
    assert [event["count"] for event in logged if "are lost on the bus" in str(event.get("log_format"))] == [2]
    assert far.until_heard(found, 1) == ["1"]


def test_what_comes_late_is_not_heard_before_what_was_told_before_it(far: Pair) -> None:
    """In the order in which it was told, or not at all."""
    found = far.heard()
    far.tell("0")
    far.until_heard(found, 1)
    # A sign of life that comes before them says that they are lost.
    the_proxy(far).copies = lambda payload: 0 if b'"told"' in payload else 1
    the_proxy(far).held = True
    far.tell("1", "2", "3")
    far.settle()
    the_proxy(far).release()
    assert far.until_heard(found, 2) == ["0", "3"]


def test_a_connection_that_is_cut_comes_back_with_all_who_listen(far: Pair) -> None:
    """What was told meanwhile is known to be lost; questions under way are not waited for."""
    found = far.heard()
    far.tell("1")
    far.until_heard(found, 1)
    far.there.answer(HowMany, reply(lambda question: 1))
    the_proxy(far).copies = lambda payload: 0
    asked = started(far.here.ask(THERE, HowMany(""), 1000.0))
    with capturedLogs():
        the_proxy(far).cut()
        far.loop.until(far.here.conditions)
        far.tell("2")
        far.loop.until(lambda: asked.called)
    _ = asked.addErrback(lambda failure: failure.trap(BusTimeout))
    the_proxy(far).copies = lambda payload: 1
    far.loop.until(lambda: not far.here.conditions())
    far.settle()
    far.tell("3")
    assert far.until_heard(found, 2) == ["1", "3"]
    assert [one.lost for one in far.here.others()] == [1]
    assert far.loop.wait(far.here.ask(THERE, HowMany(""), 5.0)) == 1


def test_what_is_lost_again_and_again_is_logged_once_in_a_while(far: Pair, server: NatsServer) -> None:
    """And counted, each of them; so is what came while too much waited."""
    far.heard()
    subscriber = Subscriber(server, "none")
    with capturedLogs() as logged:
        for number in range(1, 40, 2):
            far.says(subscriber, number)
        far.settle()
    found = {one.name: one.lost for one in far.here.others()}
    assert found["forger"] == 19
    assert len([event for event in logged if "are lost on the bus" in str(event.get("log_format"))]) == 1
    subscriber.close()


def test_what_others_tell_waits_within_a_bound(far: Pair, server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes: large facts that nobody has time for do not fill the memory, and the log says so once in a while."""
    monkeypatch.setattr(memory, "FAR_BYTES", 1_000_000)
    gate: Deferred[None] = Deferred()

    async def slowly(fact: FlowClosed) -> None:
        await gate

    far.here.listen(FlowClosed, slowly)
    far.settle()
    subscriber = Subscriber(server, "none")
    with capturedLogs() as logged:
        for number in range(1, 10):
            far.says(subscriber, number, "x" * 200_000)
        far.settle()
        # The first is being heard.
        assert len(far.here) == 4
    dropped = [event["count"] for event in logged if "too many wait" in str(event.get("log_format"))]
    assert dropped == [1]
    gate.callback(None)
    far.loop.until(lambda: len(far.here) == 0)
    subscriber.close()


def test_what_others_send_is_read_or_refused(far: Pair, server: NatsServer) -> None:
    """It is counted, logged once in a while, and does no harm; a question of theirs is refused in words."""
    found = far.heard()
    subscriber = Subscriber(server, "answers.>")
    prefix = far.subject
    with capturedLogs() as logged:
        for payload in (b"", b"\xff", b'{"v":9}', write_fact(THERE, 1, AccessChanged(aor_of("a@b")))[0]):
            subscriber.publish(f"{prefix}.fact.FlowClosed.-", payload)
            subscriber.publish(f"{prefix}.node.x", payload)
        subscriber.publish(f"{prefix}.ask.{HERE}", b"{}", "answers.1")
        subscriber.publish(f"{prefix}.ask.{HERE}", b"{}")
        far.settle()
        far.tell("1")
        assert far.until_heard(found, 1) == ["1"]
    # Each of the two nodes says so once.
    assert len([event for event in logged if "cannot be read" in str(event.get("log_format"))]) == 2
    assert "has the version None" in subscriber.next_json(r"answers\.1")["refused"]
    subscriber.close()


def test_what_says_something_else_than_its_subject_is_not_believed(far: Pair, server: NatsServer) -> None:
    """So a NATS server that lets a user publish on some subjects lets them tell no more than that."""
    found, others = far.heard(FlowClosed), far.heard(FlowDrained)
    subscriber = Subscriber(server, "none")
    fact = FlowClosed(FlowName("1"), "forged")
    (data,) = write_fact(NodeName("forger"), 1, fact)
    prefix = far.subject
    with capturedLogs() as logged:
        for subject in (
            f"{prefix}.fact.FlowDrained.{key_token(fact)}",
            f"{prefix}.fact.FlowClosed.{key_token(FlowClosed(FlowName('2'), ''))}",
            f"{prefix}.fact.FlowClosed.{key_token(fact)}.more",
        ):
            subscriber.publish(subject, data)
        subscriber.publish(f"{prefix}.node.forger", b'{"v":1,"node":"invented","told":{}}')
        far.settle()
    assert (found, others) == ([], [])
    assert {one.name for one in far.here.others()} <= {THERE}
    assert [event["reason"] for event in logged if "cannot be read" in str(event.get("log_format"))] == [
        "it says something else than its subject"
    ] * 2
    subscriber.publish(f"{prefix}.fact.FlowClosed.{key_token(fact)}", data)
    far.loop.until(lambda: found == [fact])
    subscriber.close()


def test_a_name_that_no_node_has_is_not_asked(far: Pair) -> None:
    """Whoever asks is told so, whatever is in it."""
    for name in ("\ud800", "a.b", "*", "", "a b"):
        with pytest.raises(BusTimeout, match="cannot be asked"):
            far.loop.wait(far.here.ask(NodeName(name), HowMany(""), 5.0))


def test_a_node_that_is_gone_is_listed_no_more(far: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three signs of life that do not come."""
    monkeypatch.setattr(bus, "SIGNS_MISSED", 3)
    far.loop.until(lambda: far.here.others())
    the_proxy(far).copies = lambda payload: 0
    far.loop.until(lambda: not far.here.others())


def test_nodes_and_questions_are_bounded(far: Pair, server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever invents nodes, or asks too much, fills no table."""
    monkeypatch.setattr(peers, "NODES_MOST", 3)
    subscriber = Subscriber(server, "none")
    for number in range(10):
        subscriber.publish(f"{far.subject}.node.x{number}", b'{"v":1,"node":"x%d","told":{}}' % number)

    def is_listed() -> bool:
        """Once in each sign's time it has to be heard."""
        listed = any(one.name == "x9" for one in far.here.others())
        subscriber.publish(f"{far.subject}.node.x9", b'{"v":1,"node":"x9","told":{}}')
        return listed

    far.loop.until(is_listed)
    assert len(far.here.others()) <= 3
    monkeypatch.setattr(questions, "ANSWERING_MOST", 0)
    far.there.answer(HowMany, reply(lambda question: 1))
    with pytest.raises(BusTimeout, match="too much to answer"):
        far.loop.wait(far.here.ask(THERE, HowMany(""), 5.0))
    monkeypatch.setattr(questions, "ASKED_MOST", 0)
    with pytest.raises(BusTimeout, match="0 questions wait"):
        far.loop.wait(far.here.ask(THERE, HowMany(""), 5.0))
    subscriber.close()
