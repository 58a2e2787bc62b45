"""The promise IBus of who hears what: those who are interested, on every implementation; and what crosses the network for it."""

from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from lyncpy.contracts.bus import FactsLost, Interest, SharedInterest
from lyncpy.contracts.facts import AccessChanged, BoardChanged, FlowClosed, SecretChanged, StateNoted
from lyncpy.contracts.names import Aor, Version, aor_of
from tests.kit.nats import NatsServer, ReactorLoop, SpoilingProxy
from tests.kit.nodes import HERE, THERE, Pair, node, the_proxy

ALICE, BOB, CAROL = (aor_of(f"{name}@example.com") for name in ("alice", "bob", "carol"))


def interest(*aors: Aor) -> Interest:
    """Be interested in some people."""
    made = Interest()
    for aor in aors:
        made.add(aor)
    return made


def tell(pair: Pair, *aors: Aor) -> None:
    """Tell something of people, at `there`; what comes of it is there when this returns."""
    for aor in aors:
        pair.there.tell(AccessChanged(aor))
    pair.settle()


# --- on every implementation


def test_only_what_somebody_is_interested_in_is_heard(pair: Pair) -> None:
    """It grows and shrinks; who hears all does."""
    shown = interest(ALICE)
    found, everything = pair.heard(AccessChanged, shown), pair.heard(AccessChanged)
    tell(pair, ALICE, BOB)
    shown.add(BOB)
    pair.settle()
    tell(pair, BOB)
    shown.discard(ALICE)
    pair.settle()
    tell(pair, ALICE, BOB)
    assert [fact.aor for fact in found] == [ALICE, BOB, BOB]
    assert [fact.aor for fact in everything] == [ALICE, BOB, BOB, ALICE, BOB]


def test_any_of_several_interests_is_enough(pair: Pair) -> None:
    """And a fact is heard once. Whatever is about nobody in particular is for those who hear all."""
    watched, held = interest(ALICE, BOB), interest(BOB)
    found = pair.heard(AccessChanged, watched, held)
    tell(pair, ALICE, BOB, CAROL)
    watched.clear()
    pair.settle()
    tell(pair, ALICE, BOB)
    assert [fact.aor for fact in found] == [ALICE, BOB, BOB]


def test_what_is_noted_is_put_into_words_for_whoever_traces_it(pair: Pair) -> None:
    """Once, whoever of them it is about, and here alone; where nobody listens, or to others, nothing is written."""
    written: list[str] = []

    def words() -> str:
        written.append("words")
        return f"it happened, {len(written)}"

    pair.here.note(words, ALICE)
    if pair.there_name != HERE:
        pair.there.listen(StateNoted, written.append, interest(ALICE))
        pair.here.note(words, ALICE, BOB)
        pair.settle()
    assert written == []
    found = pair.heard(StateNoted, interest(ALICE, CAROL))
    pair.here.note(words, BOB)
    assert written == []
    pair.here.note(words, ALICE, BOB, CAROL, ALICE)
    pair.settle()
    assert found == [StateNoted(ALICE, "it happened, 1"), StateNoted(CAROL, "it happened, 1")]
    assert written == ["words"]


def test_who_stops_is_interested_no_more(pair: Pair) -> None:
    """Nor is anybody told when the interest changes; the others go on."""
    shown = interest(ALICE)
    found: list[Any] = []
    listening = pair.here.listen(AccessChanged, found.append, shown)
    others = pair.heard(AccessChanged, shown)
    listening.stop()
    listening.stop()
    shown.add(BOB)
    pair.settle()
    tell(pair, ALICE, BOB)
    assert (found, [fact.aor for fact in others]) == ([], [ALICE, BOB])


def test_facts_are_in_order_and_heard_once_also_of_some_keys(pair: Pair) -> None:
    """However many there are between them that nobody wants; nothing of that counts as lost."""
    found = pair.heard(AccessChanged, interest(ALICE, CAROL))
    told = [ALICE, BOB, CAROL, ALICE, ALICE, BOB, CAROL] * 20
    tell(pair, *told)
    pair.loop.until(lambda: len(found) >= 100)
    assert [fact.aor for fact in found] == [aor for aor in told if aor != BOB]
    assert sum(one.lost for one in pair.here.others()) == 0


def test_what_several_want_is_heard_until_none_does() -> None:
    """Each of them for itself; what nobody wanted may be discarded."""
    shared = SharedInterest()
    shared.discard(ALICE)
    for _ in range(2):
        shared.add(ALICE)
    shared.discard(ALICE)
    assert ALICE in shared
    shared.discard(ALICE)
    assert ALICE not in shared
    assert len(shared) == 0


# --- between two nodes


def delivered(proxy: SpoilingProxy) -> list[bytes]:
    """Write down what a server delivers through a proxy."""
    found: list[bytes] = []

    def copies(payload: bytes) -> int:
        found.append(payload)
        return 1

    proxy.copies = copies
    return found


def test_one_message_for_each_node_that_shows_somebody(loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> None:
    """A publication crosses the network once to the broker, and once to each node that shows the person; to others not at all."""
    subject = "".join(one if one.isalnum() else "-" for one in tmp_path.name)[:30]
    proxies = [SpoilingProxy(loop, server) for _ in range(3)]
    nodes = [node(loop, HERE if not n else f"n{n}", one.url, subject=subject) for n, one in enumerate(proxies)]  # type: ignore[arg-type]
    teller = node(loop, THERE, server.url, subject=subject)
    found: list[list[Any]] = [[], [], []]
    watched, held = interest(ALICE), interest(ALICE)
    nodes[0].listen(BoardChanged, found[0].append, watched, held)
    nodes[1].listen(BoardChanged, found[1].append, interest(ALICE))
    nodes[2].listen(BoardChanged, found[2].append, interest(BOB))
    for one in nodes:
        Pair(loop, one, teller, THERE).settle()
    counts = [delivered(proxy) for proxy in proxies]
    for version in range(1, 11):
        teller.tell(BoardChanged(ALICE, Version(version), frozenset({"state"}), None))
    loop.until(lambda: len(found[0]) == len(found[1]) == 10)
    for one in nodes:
        Pair(loop, one, teller, THERE).settle()
    boards = [[payload for payload in one if b"BoardChanged" in payload and b'"fact"' in payload] for one in counts]
    assert list(map(len, boards)) == [10, 10, 0]
    assert list(map(len, found)) == [10, 10, 0]


def test_too_many_keys_are_heard_by_shares_of_all(loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> None:
    """Nobody is missed; an operator reads of it. What else comes with a share is dropped, and once few are left it ends."""
    subject = "".join(one if one.isalnum() else "-" for one in tmp_path.name)[:30]
    with capturedLogs() as logged:
        here = node(loop, HERE, server.url, subject=subject, subscriptions=16)
        there = node(loop, THERE, server.url, subject=subject)
        pair = Pair(loop, here, there, THERE)
        people = [aor_of(f"{number}@example.com") for number in range(60)]
        shown = interest(*people[:40])
        found = pair.heard(AccessChanged, shown)
        tell(pair, *people)
        loop.until(lambda: len(found) >= 40)
    assert [fact.aor for fact in found] == people[:40]
    assert [event for event in logged if "are not enough" in str(event.get("log_format"))]
    rows = dict(here.states())
    assert rows["subscriptions to single users"] == 16
    assert rows["subscriptions to 1,024ths of all"]
    shown.clear()
    assert dict(here.states())["subscriptions to 1,024ths of all"] == 0


def test_a_connection_that_comes_back_has_the_keys_too(far: Pair) -> None:
    """Those that were added meanwhile among them; that something may be lost is told within the node."""
    shown = interest(ALICE)
    found, lost = far.heard(AccessChanged, shown), far.heard(FactsLost)
    lost.clear()
    with capturedLogs():
        the_proxy(far).cut()
        far.loop.until(far.here.conditions)
        shown.add(BOB)
        shown.discard(ALICE)
        far.loop.until(lambda: not far.here.conditions())
    far.settle()
    tell(far, ALICE, BOB)
    far.loop.until(lambda: found)
    assert [fact.aor for fact in found] == [BOB]
    assert FactsLost() in lost
    far.loop.until(lambda: FactsLost(frozenset({AccessChanged})) in lost)


def test_who_had_no_connection_lets_others_know_what_they_missed(far: Pair) -> None:
    """Also of what is heard of some keys only, of which nobody else can tell that it was for them."""
    heard: list[Any] = []
    missed: list[Any] = []
    far.there.listen(AccessChanged, heard.append, interest(ALICE))
    far.there.listen(FactsLost, missed.append)
    far.loop.until(lambda: missed)  # for the key is new
    missed.clear()
    with capturedLogs():
        the_proxy(far).cut()
        far.loop.until(far.here.conditions)
        far.here.tell(AccessChanged(ALICE))
        far.loop.until(lambda: not far.here.conditions())
        far.loop.until(lambda: missed)
    assert heard == []


@pytest.mark.parametrize("kind", [FlowClosed, SecretChanged])
def test_a_gap_is_told_within_the_node(far: Pair, kind: type[Any]) -> None:
    """Whoever holds something looks whether it is still true."""
    found, lost = far.heard(kind), far.heard(FactsLost)
    made = (lambda text: FlowClosed(text, "")) if kind is FlowClosed else SecretChanged
    far.there.tell(made(ALICE))
    far.loop.until(lambda: found)
    lost.clear()
    the_proxy(far).copies = lambda payload: 0 if b'"fact"' in payload else 1
    far.there.tell(made(ALICE))
    with capturedLogs():
        far.loop.until(lambda: lost)
