"""What a focus asks of an MCU, and what an MCU tells its focus.

An MCU moves one medium of a conference; the focus owns the roster and decides who may take
part. Neither cares how a participant is attached. Whoever brings somebody, by a SIP dialog or some
day by a browser, makes a leg, and gets from the MCU what lets them speak.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zope.interface import Attribute, Interface

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.sip.message import Response


@dataclass(frozen=True, slots=True)
class Participant:
    """One device of a user, or one guest, in one medium of a conference."""

    conference: str
    """The focus URI, spelled as the factory gave it."""

    user: Aor
    epid: Epid
    """Which of the user's devices."""

    endpoint: str
    """The entity of this endpoint in the roster; the focus makes it."""

    display_name: str = ""
    internal: bool = True
    """Whether they are a user of this enterprise; guests are not."""

    home: str = ""
    """The key of the conference's home."""


class FailureKind(enum.Enum):
    """Why a copy did not arrive."""

    REFUSED = "refused"
    SILENT = "not answered"
    LOST = "the leg is no more"


class DeliveryFailure(NamedTuple):
    """A copy of a message that did not arrive."""

    kind: FailureKind
    status: int
    """As a SIP client would have said it: reports to senders name it, whatever the road was."""

    diagnostics: str = ""
    """The value of an ms-diagnostics header, or ""."""


Hear = Callable[[DeliveryFailure | None], None]


class IMessage(Interface):
    """What somebody has said to all, on its way; one object for everybody who is to get it."""

    author: Aor = Attribute("Who said it.")
    content_type: str = Attribute("As it came, with parameters.")
    body: bytes = Attribute("As it came.")
    forms: dict[object, object] = Attribute("What legs have made of it for all who can show the same.")


class ILeg(Interface):
    """How one participant is attached to a medium; made by the road by which they come. Calls return at once."""

    address: str = Attribute("How a failure report names them where more than one device of their user is here.")
    flow: FlowName = Attribute(
        "The connection by which they are attached: its server keeps what is on its way to them."
    )

    def deliver(message: IMessage, hear: Hear) -> None:
        """Pass a message on; `hear` is called once with the failure, or with None when they have it. It may be called at once."""

    def probe(hear: Hear) -> None:
        """Ask whether they are there, behind all that was passed on before, by a former home too; `hear` as of a message."""

    def types(author: Aor, body: bytes) -> None:
        """Show them that somebody is typing; nobody asks whether it arrived."""

    def report(number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Tell them which addresses did not get a message of theirs; an empty sequence: everybody has it."""

    def hang_up(reason: str | None) -> None:
        """Let go of the leg: it is over, and nothing more is asked of it. None: nobody is to be told, or nobody is there."""


class IParticipation(Interface):
    """What somebody does in a medium that has admitted them. When it has ended, calls change nothing."""

    def joined() -> None:
        """Note that they know that they are in: what was said meanwhile goes to them now. May be called again."""

    def say(content_type: str, body: bytes) -> Awaitable[int]:
        """Say something to all; give its Message-Id. When this returns, it is archived, if it is to be, and on its way.

        Raises:
            Refused: 503, it cannot be archived; 481, they have left meanwhile.
        """

    def types(body: bytes) -> None:
        """Show the others that they are typing."""

    def leave(reason: str) -> None:
        """End it because they have said so, or never came: the focus is told, and `ILeg.hang_up` called."""

    def lost(reason: str) -> None:
        """End it because they cannot be reached any more; as `leave`."""


class IMcu(Interface):
    """One medium of all conferences of this process."""

    kind: str = Attribute('The type in the MCU\'s URI and in rosters: "chat".')

    def listen(observer: "IFocusObserver") -> None:
        """Tell this focus from now on who has left; called once, before anybody is let in."""

    def admit(participant: Participant, leg: ILeg) -> IParticipation:
        """Admit a participant whom the focus lets in, by whatever protocol they come.

        The same user and epid again replaces the earlier leg, whose end is not told. What is said
        from now on is for them, and waits until they are `joined`; who is not within 32 seconds is taken out
        as one whose device does not answer.

        Raises:
            Refused: 503, there are too many. Then `leg` has not been touched.
        """

    def dismiss(conference: str, user: Aor, epid: Epid | None, reason: str) -> None:
        """End the legs of a user, or of one of their devices; they are told, the focus is not told back."""

    def end_conference(conference: str, reason: str) -> None:
        """End the medium of a conference for everybody; the focus is not told back."""

    def abandon(conference: str) -> None:
        """Forget the medium of a conference with which another node goes on: nobody is told anything."""

    def resume(conference: str, first: int, left: Sequence[Deposit]) -> None:
        """Deliver or report what the former home of a conference had accepted, and left with others, when all are in who are still there.

        Args:
            conference: The focus URI.
            first: Behind which number those of messages begin: more than any home before has used.
            left: What was left; that of others is passed over.
        """

    def counts(conference: str) -> Mapping[Aor, int]:
        """Give how many messages each user has sent in this medium since it was opened; kept until `close`."""


class ISipAccess(Interface):
    """The road by which SIP clients come into a medium: a dialog each, of which the focus sees the first request."""

    mcu: IMcu = Attribute("Where it leads.")

    def admit(participant: Participant, arrival: Arrival) -> Awaitable[Response]:
        """Answer the INVITE of somebody whom the focus lets in; give the 200.

        Raises:
            Refused: The medium cannot take them: 415, 488, 503.
        """

    def go_on(participant: Participant, arrival: Arrival, tag: str, seq: int) -> None:
        """Go on with the dialog of somebody whom another node had let in, and which is lost with it.

        Args:
            participant: Who.
            arrival: The INVITE.
            tag: The To tag of its 200.
            seq: The CSeq number that was used last.

        Raises:
            Refused: 503, there are too many.
        """

    def refresh(arrival: Arrival) -> Awaitable[Response]:
        """Answer an INVITE within the dialog of somebody who is in.

        Raises:
            Refused: 481, there is no such dialog; 415 and 488 as above.
        """


class IFocusObserver(Interface):
    """What an MCU tells the focus of a conference. Calls return at once."""

    def leg_ended(participant: Participant, reason: str) -> None:
        """Remove a leg that is over by its user's own doing: BYE, a lost connection, a device that no longer answers."""
