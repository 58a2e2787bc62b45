"""What the chats of this node have accepted and not delivered yet, as it is left with others: the next home goes on with that.

A home answers 202 before all have a message. If it is lost then, or leaves, what would be lost with it is

- who has not got a message, and whom its sender has to be told of: that is left with the sender's node, until the report is on its way;
  at once where somebody is connected here, else when they do not answer for a moment;
- a message that waits for a device that does not keep up: that is left with the device's node, until it is sent.

What is on its way to a device, its own node has already. Nothing is left for those who are connected here: they go with this node.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from lyncpy.contracts.archive import ConversationEvent, EntryKind
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind
from lyncpy.contracts.names import FlowName, NodeName, aor_of, epid_of, node_of
from lyncpy.workloads.im.model.room import ChatMember, ChatMessage, Device, LeftMessage

SAID: Final = "said"
WAITS: Final = "waits"


class MessageDeposits(Protocol):
    """What is needed of the deposits."""

    def leave(self, deposit: Deposit) -> None:
        """Leave something with the node of a client."""

    def withdraw(self, key: str, name: str, flow: FlowName) -> None:
        """Have what was left under a name be kept no more."""


class NodeOfChats(Protocol):
    """What is needed of this node and its others."""

    @property
    def node(self) -> NodeName:
        """This one."""

    @property
    def is_alone(self) -> bool:
        """Whether there can be no others."""


class OpenMessages:
    """Leaves them with others.

    Args:
        deposits: Leaves it there.
        nodes: Which node this one is, and whether there are others.
    """

    def __init__(self, deposits: MessageDeposits, nodes: NodeOfChats) -> None:
        self._deposits = deposits
        self._node = nodes.node
        self._is_alone = nodes.is_alone

    def concerns(self, message: ChatMessage) -> bool:
        """Tell whether another node has its sender, who will be there to be told when this one is lost."""
        return not self._is_alone and message.sender.is_here and node_of(message.sender.leg.flow) != self._node

    def is_in_doubt(self, message: ChatMessage) -> bool:
        """Tell whether somebody who has not got it is connected here, and would be lost with this node."""
        return any(node_of(member.leg.flow) == self._node for member in message.open_to)

    def said(self, message: ChatMessage) -> bool:
        """Leave with its sender's node who has not got a message, in the place of what was left before; tell whether it is left."""
        if not self.concerns(message):
            return False
        who, flow = message.sender.participant, message.sender.leg.flow
        open_to = [_written(member) for member in message.audience if member in message.open_to]
        failed = [(*_written(member), why.kind.value, why.status, why.diagnostics) for member, why in message.failures]
        said: dict[str, object] = {"what": SAID, "n": message.number, "epid": who.epid.written}
        if message.entry is not None:
            said["entry"] = message.entry.message_id
        data = json.dumps({"open": open_to, "failed": failed}).encode()
        self._deposits.leave(Deposit(who.home, f"{SAID} {message.number}", flow, who.user, said, data))
        return True

    def over(self, message: ChatMessage) -> None:
        """Have nothing left of a message of which its sender is told."""
        self._deposits.withdraw(message.sender.participant.home, f"{SAID} {message.number}", message.sender.leg.flow)

    def waits(self, member: ChatMember, message: ChatMessage) -> None:
        """Leave a message with the node of a device for which it waits."""
        who, flow = member.participant, member.leg.flow
        if self._is_alone or node_of(flow) == self._node:
            return
        member.kept.add(message.number)
        author = message.sender.participant
        said = {
            "what": WAITS, "n": message.number, "epid": who.epid.written, "author": author.user, "by": author.epid.written,
        }  # fmt: skip
        data = message.content_type.encode(errors="surrogateescape") + b"\n" + message.body
        self._deposits.leave(Deposit(who.home, _name(member, message.number), flow, who.user, said, data))

    def sent(self, member: ChatMember, message: ChatMessage) -> None:
        """Have nothing left of a message that waited for a device, and is on its way to it."""
        if message.number in member.kept:
            member.kept.discard(message.number)
            self._deposits.withdraw(member.participant.home, _name(member, message.number), member.leg.flow)

    def gone(self, member: ChatMember) -> None:
        """Have nothing left of what waited for a device that has left."""
        for number in member.kept:
            self._deposits.withdraw(member.participant.home, _name(member, number), member.leg.flow)
        member.kept.clear()


def _name(member: ChatMember, number: int) -> str:
    return f"{WAITS} {number} {member.participant.user} {member.participant.epid}"


def _written(member: ChatMember) -> tuple[str, str]:
    return member.participant.user, member.participant.epid.written


@dataclass(slots=True)
class _Found:
    """What was left of one message."""

    sender: Device | None = None
    is_left: bool = False
    entry: str | None = None
    open_to: list[Device] = field(default_factory=list)
    failures: list[tuple[Device, DeliveryFailure]] = field(default_factory=list)
    waiting: dict[Device, None] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""


def read_left(conference: str, left: Sequence[Deposit]) -> Sequence[LeftMessage]:
    """Give what a former home had accepted in a conference and not delivered, in order; what is not understood is passed over."""
    found: dict[int, _Found] = {}
    for one in left:
        number = one.said.get("n")
        if type(number) is not int:
            continue
        match one.said.get("what"):
            case "said":
                _read_said(found.setdefault(number, _Found()), one)
            case "waits":
                _read_waiting(found.setdefault(number, _Found()), one)
    return [_message(conference, number, one.sender, one) for number, one in sorted(found.items()) if one.sender]


def _read_said(found: _Found, deposit: Deposit) -> None:
    try:
        data = json.loads(deposit.data)
        open_to = [_device(*one) for one in data["open"]]
        failures = [
            (_device(user, epid), DeliveryFailure(FailureKind(kind), int(status), str(text)))
            for user, epid, kind, status, text in data["failed"]
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    found.is_left, found.sender = True, _device(deposit.owner, deposit.said.get("epid"))
    found.open_to, found.failures = open_to, failures
    found.entry = str(deposit.said["entry"]) if "entry" in deposit.said else None


def _read_waiting(found: _Found, deposit: Deposit) -> None:
    said = deposit.said
    found.waiting[_device(deposit.owner, said.get("epid"))] = None
    content_type, _, found.body = deposit.data.partition(b"\n")
    found.content_type = content_type.decode(errors="surrogateescape")
    if found.sender is None:
        found.sender = _device(said.get("author"), said.get("by"))


def _device(user: object, epid: object) -> Device:
    return aor_of(str(user)), epid_of(str(epid))


def _message(conference: str, number: int, sender: Device, found: _Found) -> LeftMessage:
    entry = None
    if found.entry is not None:
        entry = ConversationEvent(
            0.0, conference, EntryKind.MESSAGE, sender[0], (), conference=True, message_id=found.entry
        )
    open_to = tuple(dict.fromkeys((*found.open_to, *found.waiting)))
    return LeftMessage(
        number, sender, found.content_type, found.body, open_to, frozenset(found.waiting), tuple(found.failures), entry,
        found.is_left,
    )  # fmt: skip
