"""What nodes send one another, in order and complete while both live, though the bus loses, repeats and delays.

A message is one line of JSON, and behind its line end bytes as they are, such as those of a SIP message. The line has

| Key | Says |
|---|---|
| `v` | the version of this form; another one is not read |
| `s`, `n` | which run of messages this is of, and its number in it, from 1; 0: it has none, and is no part of the run |
| `f` | the first number of the run that may still be sent again: the other side has had all before |
| `a` | the run of the other side, and up to which number it has come |
| `k` | the kind; one that is not known is passed over |

and whatever the kind needs. What is said to one node in one turn of the reactor crosses the bus as one message, of the kind `many`: `of`
has what the lines of all of them have, `l` the length of the bytes of each, which follow one another; -1: the same bytes as those of the one
before. Their numbers follow `n`. What has not come is sent again from there on, at once when the other side sees the gap, else
when nothing was heard of it for a while. A side that has heard nothing for `GIVE_UP_S` gives up: all that was under way is
lost, those who depend on it are told so, and another run begins with the next message. By that the other side, if it
lives, knows that it was given up, and that what was under way to it is lost.

What a node says that is known dead is not taken: it does not know of it yet, and is told so, with the kind `dead`.
"""

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.bus import SENT_MOST, IBus
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.under_way import UNDER_WAY_BYTES, UNDER_WAY_BYTES_ALL, UnderWay

VERSION: Final = 1

LINE_MOST: Final = 16_384
"""Bytes of the line of JSON."""

CARRIED_MOST: Final = SENT_MOST - LINE_MOST
"""Bytes that one message may bring along."""

MANY_MOST: Final = 500
"""Messages in one of the kind `many`, whose line may not be longer than any."""

ACKNOWLEDGE_S: Final = 0.05
"""How long an acknowledgement waits for a message that takes it along."""

REPEAT_S: Final = 0.5
REPEAT_MOST_S: Final = 4.0
"""After how long silence the other side is sent again what it has not acknowledged, and how long that may grow."""

REPEATED_BYTES: Final = 262_144
"""Of what is sent again at once."""

GIVE_UP_S: Final = 30.0

EARLY_MOST: Final = 1_000
"""Messages that are kept while one before them is missing."""

NODES_MOST: Final = 4_096
"""Other nodes that are remembered. One that is not there any more makes room; with those that are, no talk begins."""

DEAD_MOST: Final = 4_096
"""Nodes that are known dead and remembered as such; the one that died first goes."""

MANY: Final = "many"

Hear = Callable[[NodeName, Mapping[str, Any], bytes], None]
"""Takes what another node says: who it is, what its line has, and the bytes behind it."""

HearAnew = Callable[[NodeName, int], None]
"""Takes who has given this node up and begun anew, and up to which number it had taken before what was sent to it."""

_DEAD: Final = f'{{"v":{VERSION},"s":0,"n":0,"f":0,"a":[0,0],"k":"dead"}}\n'.encode()

_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_quoted: Final = json.encoder.encode_basestring_ascii
_unwritten: Final = json.JSONDecoder().decode
_HEAD_MOST: Final = 256
"""Bytes of a line beside what is said."""


class _Peer:
    """Another node, and how far the two have come."""

    __slots__ = (
        "acknowledge", "again", "began", "early", "fresh", "is_heard", "load", "owes", "run", "sizes", "taken", "their_run", "under_way",
        "waited_s", "wake",
    )  # fmt: skip

    def __init__(self, run: int, now: float) -> None:
        self.run = (run, 0)
        """Of what is sent: which, and the number of the last."""

        self.is_heard = False
        self.their_run = 0
        self.taken = 0
        self.early: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self.again = 0
        """The number of the last message that was missed and asked for."""

        self.under_way: deque[tuple[int, str, bytes]] = deque()
        """What is not acknowledged: number, what its line has, bytes."""

        self.sizes: deque[tuple[int, str]] = deque()
        """The bytes of each of them, and who has said it; "": the node itself. A body that several have is counted once."""

        self.load = UnderWay(UNDER_WAY_BYTES)
        self.fresh: list[tuple[int, str, bytes]] = []
        """Those of them that leave with all else of this turn."""

        self.owes = False
        """Whether the other side has not heard what was taken of it."""

        self.began = now
        """When the other side was heard last, or had nothing to acknowledge."""

        self.waited_s = REPEAT_S
        self.wake: Deadline | None = None
        self.acknowledge: Deadline | None = None


class NodeChannels:
    """This node's side of all its talks with others.

    Args:
        bus: Carries the bytes.
        timers: When something is said again.
        is_there: Tells whether there is such a node: nobody else is talked to, for clients write names of nodes, too.
    """

    log = Logger()

    def __init__(self, bus: IBus, timers: ITimers, is_there: Callable[[NodeName], bool]) -> None:
        self._bus = bus
        self._is_there = is_there
        self._timers = timers
        self._peers: dict[NodeName, _Peer] = {}
        self._hear: dict[str, Hear] = {}
        self._lost: list[Callable[[NodeName], None]] = []
        self._anew: list[HearAnew] = []
        self._dead: OrderedDict[NodeName, None] = OrderedDict()
        self._on_buried: list[Callable[[], None]] = []
        self._runs = 0
        self._load = UnderWay(UNDER_WAY_BYTES_ALL)
        self._speaking: dict[NodeName, _Peer] = {}
        bus.receive(self._received)

    def __len__(self) -> int:
        """Give the number of messages under way, for a meter."""
        return sum(len(peer.under_way) for peer in self._peers.values())

    @property
    def nodes(self) -> int:
        """The number of nodes that are talked to."""
        return len(self._peers)

    def hear(self, kind: str, hear: Hear) -> None:
        """Call a function with each message of a kind."""
        self._hear[kind] = hear

    def on_lost(self, hear: Callable[[NodeName], None]) -> None:
        """Call a function with each node that is given up, or known dead."""
        self._lost.append(hear)

    def on_begun_anew(self, hear: HearAnew) -> None:
        """Call a function with each node that had given this one up, and is heard again.

        What it had taken is forgotten there, and what it had under way is lost; what it has not taken yet comes to it anew.
        """
        self._anew.append(hear)

    def last_sent(self, node: NodeName) -> int:
        """Give the number of what was sent to a node last."""
        peer = self._peers.get(node)
        return peer.run[1] if peer is not None else 0

    def send(self, node: NodeName, kind: str, body: bytes = b"", share: str = "", **said: object) -> bool:
        """Send a message; it arrives, or its loss is told to `on_lost`.

        False: it will not arrive, for there is no such node, nobody can be reached now, or too much is under way.

        Args:
            node: To whom.
            kind: What it is.
            body: Bytes that it brings along.
            share: Who says it: a user, a conference; "": the node itself. No one of them leaves the others without room.
            said: What else it says, in JSON's values.
        """
        peer = self._peers.get(node)
        if peer is None and node not in self._dead:
            peer = self._begin(node) if self._is_there(node) else None
        text = _written(kind, said)
        if peer is None or len(body) > CARRIED_MOST:
            return False
        is_same = len(peer.under_way) > 0 and peer.under_way[-1][2] is body
        size = len(text) + (0 if is_same else len(body))
        if not (peer.load.has_room(size, share) and self._load.has_room(size, share)):
            return False
        run, number = peer.run
        # Whoever was heard once will be heard again, or is given up.
        if peer.is_heard:
            self._speak(node, peer, (number + 1, text, body))
        elif not self._write(node, peer, number + 1, text, body):
            return False
        if not peer.under_way:
            peer.began = self._timers.now()
        peer.run = run, number + 1
        peer.under_way.append((number + 1, text, body))
        peer.sizes.append((size, share))
        peer.load.add(size, share)
        self._load.add(size, share)
        if peer.wake is None:
            peer.wake = Deadline(self._timers, lambda: self._silent(node))
        peer.wake.set_first(peer.waited_s)
        return True

    def _speak(self, node: NodeName, peer: _Peer, message: tuple[int, str, bytes]) -> None:
        """Have a message leave with all else that is said to its node in this turn."""
        peer.fresh.append(message)
        if not self._speaking:
            self._timers.later(0.0, self._spoken)
        self._speaking[node] = peer

    def _spoken(self) -> None:
        speaking, self._speaking = self._speaking, {}
        for node, peer in speaking.items():
            fresh, peer.fresh = peer.fresh, []
            while fresh:
                count = _fitting(fresh)
                text, body = fresh[0][1:] if count == 1 else _joined(fresh[:count])
                self._write(node, peer, fresh[0][0], text, body)
                del fresh[:count]

    def is_behind(self, node: NodeName) -> bool:
        """Tell whether so much is under way to a node that what can wait should: the rest of the room is for what cannot."""
        peer = self._peers.get(node)
        return peer is not None and (peer.load.is_half or self._load.is_half)

    def forget(self, node: NodeName) -> None:
        """Give a node up."""
        peer = self._peers.pop(node, None)
        if peer is not None:
            for size, share in peer.sizes:
                self._load.add(-size, share)
            peer.fresh.clear()
            for deadline in (peer.wake, peer.acknowledge):
                if deadline is not None:
                    deadline.clear()
        for hear in self._lost:
            hear(node)

    def bury(self, node: NodeName) -> None:
        """Give a node up that is known dead, and take nothing more of it: it may only have slept."""
        self._dead[node] = None
        if len(self._dead) > DEAD_MOST:
            self._dead.popitem(last=False)
        self.forget(node)

    def on_buried(self, hear: Callable[[], None]) -> None:
        """Call a function when another node says that it takes this one for dead."""
        self._on_buried.append(hear)

    # --- what arrives

    def _received(self, node: NodeName, data: bytes) -> None:
        read = _read(data)
        if read is None:
            self.log.debug("{node} sends what cannot be read", node=node)
            return
        head, body = read
        if node in self._dead:
            self._bus.send(node, _DEAD)
            return
        if head["k"] == "dead":
            for hear_buried in self._on_buried:
                hear_buried()
            return
        peer = self._peers.get(node) or self._begin(node)
        if peer is None:
            return
        peer.is_heard = True
        if head["s"] > peer.their_run:
            self._begin_their_run(node, peer, head["s"])
        self._acknowledged(peer, *head["a"])
        if head["n"]:
            self._take_all(node, peer, head, body)
        elif head["k"] == "again":
            self._repeat(node, peer)

    def _take_all(self, node: NodeName, peer: _Peer, head: Mapping[str, Any], body: bytes) -> None:
        """Take messages of a run, when their turn has come; those that have been here are dropped."""
        if head["s"] < peer.their_run:
            return
        # This node may have given the other one up meanwhile, and begun anew: what it had then is not sent again.
        peer.taken = max(peer.taken, head["f"] - 1)
        found = ((head, body),) if head["k"] != MANY else _parted(head, body)
        if found is None:
            self.log.warn("{node} sends what cannot be parted", node=node)
            return
        for number, message in enumerate(found, head["n"]):
            if number > peer.taken and len(peer.early) < EARLY_MOST:
                peer.early[number] = message
        while (next_one := peer.early.pop(peer.taken + 1, None)) is not None:
            peer.taken += 1
            hear = self._hear.get(next_one[0]["k"])
            if hear is not None:
                hear(node, *next_one)
        if peer.early and peer.again <= peer.taken:
            peer.again = peer.taken + 1
            self._write(node, peer, 0, '"k":"again"}', b"")
        else:
            self._acknowledge_soon(node, peer)

    def _begin_their_run(self, node: NodeName, peer: _Peer, run: int) -> None:
        """Begin to take another run: whoever had one before has given this node up meanwhile."""
        was_given_up = peer.their_run != 0
        peer.their_run, peer.taken, peer.again = run, 0, 0
        peer.early.clear()
        if was_given_up:
            taken = peer.under_way[0][0] - 1 if peer.under_way else peer.run[1]
            for hear in self._anew:
                hear(node, taken)

    def _acknowledged(self, peer: _Peer, run: int, number: int) -> None:
        if run != peer.run[0] or number > peer.run[1]:
            return
        under_way = peer.under_way
        if under_way and under_way[0][0] <= number:
            while under_way and under_way[0][0] <= number:
                under_way.popleft()
                size, share = peer.sizes.popleft()
                peer.load.add(-size, share)
                self._load.add(-size, share)
            peer.began = self._timers.now()
            if peer.waited_s > REPEAT_S and peer.wake is not None:
                peer.waited_s = REPEAT_S
                peer.wake.set(REPEAT_S)

    def _acknowledge_soon(self, node: NodeName, peer: _Peer) -> None:
        peer.owes = True
        if peer.acknowledge is None:
            peer.acknowledge = Deadline(self._timers, lambda: self._acknowledge(node, peer))
        peer.acknowledge.set_first(ACKNOWLEDGE_S)

    def _acknowledge(self, node: NodeName, peer: _Peer) -> None:
        # Nearly always something else has been said meanwhile, and has told it.
        if peer.owes:
            self._write(node, peer, 0, '"k":"taken"}', b"")

    # --- what is sent again

    def _silent(self, node: NodeName) -> None:
        peer = self._peers.get(node)
        if peer is None or not peer.under_way:
            return
        silent_s = self._timers.now() - peer.began
        if silent_s < peer.waited_s and peer.wake is not None:
            peer.wake.set(max(peer.waited_s - silent_s, ACKNOWLEDGE_S))
            return
        if silent_s >= GIVE_UP_S:
            self.log.warn(
                "{node} is not heard any more: {count} messages to it are lost", node=node, count=len(peer.under_way)
            )
            self.forget(node)
            return
        peer.waited_s = min(REPEAT_MOST_S, 2 * peer.waited_s)
        self._repeat(node, peer)

    def _repeat(self, node: NodeName, peer: _Peer) -> None:
        size = 0
        peer.fresh.clear()
        for number, text, body in tuple(peer.under_way):
            size += len(text) + len(body)
            if size > REPEATED_BYTES and number != peer.under_way[0][0]:
                break
            if not self._write(node, peer, number, text, body):
                break
        if peer.wake is not None and peer.under_way:
            peer.wake.set(peer.waited_s)

    def _write(self, node: NodeName, peer: _Peer, number: int, text: str, body: bytes) -> bool:
        """Send a message as it stands in the run, with how far the other side has come."""
        peer.owes = False
        first = peer.under_way[0][0] if peer.under_way else number
        head = (
            f'{{"v":{VERSION},"s":{peer.run[0]},"n":{number},"f":{first},"a":[{peer.their_run},{peer.taken}],{text}\n'
        )
        return self._bus.send(node, head.encode() + body)

    def _begin(self, node: NodeName) -> _Peer | None:
        """Begin to talk to a node; None: too many are there already."""
        if len(self._peers) >= NODES_MOST:
            absent = next((name for name in self._peers if not self._is_there(name)), None)
            if absent is None:
                return None
            self.forget(absent)
        # A run that begins after this node gave another one up has a higher number, whichever peer that was.
        self._runs += 1
        peer = self._peers[node] = _Peer(self._runs, self._timers.now())
        return peer


def _read(data: bytes) -> tuple[Mapping[str, Any], bytes] | None:
    """Read a message; None: it is none that this version understands."""
    end = data.find(b"\n", 0, LINE_MOST)
    if end < 0:
        return None
    try:
        head = _unwritten(data[:end].decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(head, dict) or head.get("v") != VERSION or not isinstance(head.get("k"), str):
        return None
    taken = head.get("a")
    if not isinstance(taken, list) or len(taken) != 2:
        return None
    if not type(head.get("s")) is type(head.get("n")) is type(head.get("f")) is type(taken[0]) is type(taken[1]) is int:
        return None
    return head, data[end + 1 :]


def _written(kind: str, said: Mapping[str, object]) -> str:
    """Write what a message says, without the beginning of its line."""
    parts = [f'"k":{_quoted(kind)}']
    parts += [f'"{name}":{_quoted(value) if type(value) is str else _json(value)}' for name, value in said.items()]
    return ",".join(parts) + "}"


def _fitting(messages: Sequence[tuple[int, str, bytes]]) -> int:
    """Tell how many messages, of one or more, cross the bus as one."""
    line, size, before = _HEAD_MOST, 0, b""
    for count, (_, text, body) in enumerate(messages):
        line += len(text) + 10
        size += 0 if body is before else len(body)
        if count and (line > LINE_MOST or size > CARRIED_MOST or count >= MANY_MOST):
            return count
        before = body
    return len(messages)


def _joined(messages: Sequence[tuple[int, str, bytes]]) -> tuple[str, bytes]:
    """Give what is said, and the bytes, of a message that is several."""
    bodies: list[bytes] = []
    lengths: list[int] = []
    before: bytes | None = None
    for _, _, body in messages:
        is_same = body is before and len(body) > 0
        lengths.append(-1 if is_same else len(body))
        if not is_same:
            bodies.append(body)
        before = body
    texts = ",{".join([text for _, text, _ in messages])
    return f'"k":"{MANY}","of":[{{{texts}],"l":{_json(lengths)}}}', b"".join(bodies)


def _parted(head: Mapping[str, Any], data: bytes) -> Sequence[tuple[Mapping[str, Any], bytes]] | None:
    """Part what crossed the bus as one; None: it does not say where."""
    of, lengths = head.get("of"), head.get("l")
    if not isinstance(of, list) or not isinstance(lengths, list) or len(of) != len(lengths) or len(of) > MANY_MOST:
        return None
    found: list[tuple[Mapping[str, Any], bytes]] = []
    body, at = b"", 0
    for said, length in zip(of, lengths, strict=True):
        if not isinstance(said, dict) or not isinstance(said.get("k"), str) or type(length) is not int or length < -1:
            return None
        if length >= 0:
            body = data[at : at + length]
            at += length
        found.append((said, body))
    return found if at == len(data) else None
