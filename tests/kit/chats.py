"""An IM MCU without a focus and without a wire: members join, speak, and answer when the test says so."""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python import failure
from zope.interface import implementer

from lyncpy.contracts.archive import ConversationEvent, IArchive
from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import PoliciesChanged
from lyncpy.contracts.mcu import DeliveryFailure, Hear, IFocusObserver, ILeg, IMessage, IParticipation, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName
from lyncpy.contracts.refusal import Diagnostics, Refused, translated
from lyncpy.core.timers import Timers
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.chat_dialogs import ChatDialogs
from lyncpy.workloads.im.mcu import Mcu
from lyncpy.workloads.im.open_messages import OpenMessages
from lyncpy.workloads.im.settings import Settings
from tests.kit.hall import FewPeople, tree
from tests.kit.outbound import FakeCall, FakeOutbound
from tests.kit.results import started
from tests.kit.talks import TYPING, TYPING_TYPE

DOMAIN: Final = "contoso.test"
FOCUS: Final = f"sip:alice@{DOMAIN};gruu;opaque=app:conf:focus:id:59CED1B0"
CHAT: Final = FOCUS.replace(":focus:", ":chat:")
USERS: Final = ("alice", "bob", "carol", "dave", "erin", "frank")


def sdp(accepts: str) -> bytes:
    """Write a session description that offers messages of these types."""
    line = f"a=accept-types:{accepts}\r\n" if accepts else ""
    return f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=message 5060 sip null\r\n{line}".encode()


@implementer(IArchive)
class NoArchive:
    """Where nothing is archived."""

    def wants(self, people: Collection[Aor], external: bool) -> bool:
        """Want nothing."""
        return False

    async def archive(self, said: ConversationEvent) -> None:
        """Fail: nothing was wanted."""
        raise AssertionError("what nobody wanted was archived")


@implementer(IArchive)
class SlowArchive:
    """An archive that wants everything, and answers when the test says so.

    Attributes:
        kept: What is durable.
        waiting: What is not yet.
        is_prompt: Whether it answers at once.
        is_wanted: What policy says.
        refuses: Whether it cannot be written.
        asked: About whom policy was asked, and whether outsiders took part.
    """

    def __init__(self) -> None:
        """Begin empty and prompt."""
        self.kept: list[ConversationEvent] = []
        self.waiting: list[tuple[ConversationEvent, Deferred[None]]] = []
        self.is_prompt = True
        self.is_wanted = True
        self.refuses = False
        self.asked: list[tuple[frozenset[Aor], bool]] = []

    def wants(self, people: Collection[Aor], external: bool) -> bool:
        """Say what the test has set."""
        self.asked.append((frozenset(people), external))
        return self.is_wanted

    async def archive(self, said: ConversationEvent) -> None:
        """Keep it, now or later, or refuse."""
        if self.refuses:
            raise Refused(503, Diagnostics(1, "The conversation cannot be recorded"))
        if not self.is_prompt:
            waiting: Deferred[None] = Deferred()
            self.waiting.append((said, waiting))
            await waiting
        self.kept.append(said)

    def catches_up(self) -> None:
        """Answer the oldest."""
        _, waiting = self.waiting.pop(0)
        waiting.callback(None)

    def words(self, kind: str = "message") -> list[str]:
        """Give the texts of what was kept."""
        return [said.body.decode() for said in self.kept if said.kind == kind]


@implementer(IFocusObserver)
class Ears:
    """What the focus is told."""

    def __init__(self) -> None:
        """Begin deaf to nothing."""
        self.heard: list[tuple[str, str]] = []

    def leg_ended(self, participant: Participant, reason: str) -> None:
        """Note it."""
        self.heard.append((f"{name_of(participant.user)}/{participant.epid}", reason))


@implementer(ILeg)
class PlainLeg:
    """A leg of no protocol: keeps what it is given, and takes each message as `refuses` says.

    Attributes:
        heard: (author, text) of each message.
        typing: Who typed.
        reports: (Message-Id, whom it did not reach).
        ended: What was said at the end, each time it was ended.
        refuses: Why it takes no message; None: it does.
    """

    address = "https://site.contoso.test/seat/1"
    flow = FlowName("n/site")

    def __init__(self) -> None:
        """Take every message."""
        self.heard: list[tuple[str, str]] = []
        self.typing: list[str] = []
        self.reports: list[tuple[int, list[str]]] = []
        self.ended: list[str | None] = []
        self.refuses: DeliveryFailure | None = None

    def deliver(self, message: IMessage, hear: Hear) -> None:
        """Take it at once, or refuse it."""
        if self.refuses is None:
            self.heard.append((name_of(message.author), message.body.decode()))
        hear(self.refuses)

    def probe(self, hear: Hear) -> None:
        """Answer."""
        hear(None)

    def types(self, author: Aor, body: bytes) -> None:
        """Note it."""
        self.typing.append(name_of(author))

    def report(self, number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Note it."""
        self.reports.append((number, [address for address, _ in failed]))

    def hang_up(self, reason: str | None) -> None:
        """Note it."""
        self.ended.append(reason)


class OneOfSeveral:
    """A node that has others."""

    node = NodeName("n")
    is_alone = False


class Keeper:
    """The nodes of clients: what was left with them, by its name."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.kept: dict[str, Deposit] = {}

    def leave(self, deposit: Deposit) -> None:
        """Keep it."""
        self.kept[deposit.name] = deposit

    def withdraw(self, key: str, name: str, flow: FlowName) -> None:
        """Keep it no more."""
        assert (self.kept[name].key, self.kept[name].flow) == (key, flow)
        del self.kept[name]


class Chat:
    """The chat of one conference, whose home is the node `n`.

    Attributes:
        keeper: What is left with others.
    """

    def __init__(self, archive: SlowArchive | None = None, **settings: Any) -> None:  # Any: the section [im]
        """Open it, empty."""
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1000.0 + self.clock.seconds())
        self.outbound = FakeOutbound()
        self.archive = archive
        self.observer = Ears()
        self.people = FewPeople(Person(Aor(f"sip:{user}@{DOMAIN}"), user) for user in USERS)
        self.archiving = Archiving(archive or NoArchive(), self.people, self.timers)
        self.keeper = Keeper()
        self.open_messages = OpenMessages(self.keeper, OneOfSeveral())
        self.mcu = Mcu(self.archiving, Settings(**settings), self.timers, self.open_messages)
        self.mcu.listen(self.observer)
        self.dialogs = ChatDialogs(self.mcu, self.outbound, Settings(**settings))
        self.routes = {route.method: route.answer for route in self.dialogs.rows()}

    def joins(self, user: str, epid: str = "e1", accepts: str = "text/plain", **how: Any) -> "Member":
        """Join somebody whom the focus lets in, and acknowledge; see Member."""
        member = Member(self, user, epid)
        response = member.knocks(sdp(accepts), **how)
        assert isinstance(response, Response), response
        member.takes(response)
        member.acknowledges()
        return member

    def takes_in(self, user: str, epid: str = "e1") -> tuple[IParticipation, PlainLeg]:
        """Let somebody in who comes by no protocol at all."""
        leg = PlainLeg()
        who = Participant(FOCUS, Aor(f"sip:{user}@{DOMAIN}"), Epid(epid), f"{{{user}}}")
        participation: IParticipation = self.mcu.admit(who, leg)
        return participation, leg

    def changes_policy(self) -> None:
        """Have policies be others than they were."""
        self.archiving.policies_changed(PoliciesChanged())

    def turn(self) -> None:
        """Let happen what happens at once."""
        for _ in range(10):
            self.clock.advance(0)

    def pending(self, flow: str = "", method: str = "MESSAGE") -> list[FakeCall]:
        """Give the requests that nobody has answered, oldest first."""
        return [
            call
            for call in self.outbound.calls
            if call.request.method == method and not call.final.called and (not flow or call.flow == flow)
        ]

    def all_answer(self, status: int = 200) -> None:
        """Have everybody answer until there is nothing to answer."""
        while calls := self.pending():
            for call in calls:
                call.answers(status)
        self.turn()

    def run(self, answer: Coroutine[Any, Any, Any]) -> "list[Response | Refused]":
        """Start a coroutine; the list gets what came of it when it has ended."""
        results: list[Response | Refused] = []

        def failed(found: failure.Failure) -> None:
            error = found.value
            if not isinstance(error, Refused | RemoteProtocolError):
                found.raiseException()
            results.append(translated(error))

        _ = started(answer).addCallbacks(results.append, failed)
        self.turn()
        return results


class Member:
    """One device of a user in the chat."""

    def __init__(self, chat: Chat, user: str, epid: str) -> None:
        """Take a device that has not joined."""
        self.chat = chat
        self.user = user
        self.aor = Aor(f"sip:{user}@{DOMAIN}")
        self.epid = Epid(epid)
        self.gruu = f"{self.aor};opaque=user:epid:{epid};gruu"
        self.flow = FlowName(f"n/{user}-{epid}")
        self.invite: Request | None = None
        self.dialog: Dialog | None = None

    # --- joining

    def knocks(
        self,
        body: bytes = b"",
        *,
        conference: str = FOCUS,
        internal: bool = True,
        content_type: str = "application/sdp",
        to_tag: str = "",
    ) -> "Response | Refused":
        """Have the focus let it in; give the answer."""
        self.invite = Request(
            "INVITE",
            CHAT,
            Headers(
                [
                    ("Via", "SIP/2.0/tls 127.0.0.1:40000"),
                    ("From", f"<{self.aor}>;tag={new_tag()};epid={self.epid}"),
                    ("To", f"<{CHAT}>" + (f";tag={to_tag}" if to_tag else "")),
                    ("Call-ID", new_call_id()),
                    ("CSeq", "1 INVITE"),
                    ("Contact", f"<{self.gruu}>"),
                    ("Content-Type", content_type),
                ]
            ),
            body,
        )
        who = Participant(conference, self.aor, self.epid, f"{{{self.user}}}", internal=internal)
        (result,) = self.chat.run(self.admitted(who, self.arrival_of(self.invite)))
        return result

    async def admitted(self, who: Participant, arrival: Arrival) -> Response:
        road = self.chat.dialogs
        return await (road.refresh(arrival) if arrival.request.to.tag else road.admit(who, arrival))

    def takes(self, response: Response) -> None:
        """Make the dialog of a 200."""
        assert response.status == 200
        assert self.invite is not None
        self.dialog = Dialog.from_response(self.invite, response)

    def acknowledges(self) -> None:
        """Send the ACK."""
        assert self.dialog is not None
        assert self.invite is not None
        self.asks(self.dialog.ack(self.invite))

    # --- within the dialog

    def asks(self, request: Request, *, by: "Member | None" = None) -> "list[Response | Refused]":
        """Send a request; the list gets its answer. `by` is who sends it, if not this device."""
        return self.chat.run(self.answered((by or self).arrival_of(request)))

    async def answered(self, arrival: Arrival) -> Any:  # Any: a Response, or None for an ACK
        return await self.chat.routes[arrival.request.method](arrival)

    def sends(
        self, method: str, body: bytes = b"", content_type: str | None = None, *, by: "Member | None" = None
    ) -> "list[Response | Refused]":
        """Send the next request of the dialog."""
        assert self.dialog is not None
        return self.asks(self.dialog.next_request(method, (), body, content_type), by=by)

    def says(self, text: str | bytes, content_type: str = "text/plain; charset=UTF-8") -> "list[Response | Refused]":
        """Say something."""
        return self.sends("MESSAGE", text.encode() if isinstance(text, str) else text, content_type)

    def types(self) -> "list[Response | Refused]":
        """Let the others see that one types."""
        return self.sends("INFO", TYPING, TYPING_TYPE)

    def leaves(self) -> "list[Response | Refused]":
        """Say BYE."""
        return self.sends("BYE")

    # --- what came

    def requests(self, method: str) -> list[Request]:
        """Give what came in this dialog."""
        assert self.dialog is not None
        came = [call.request for call in self.chat.outbound.calls] + [request for _, request in self.chat.outbound.told]
        return [one for one in came if one.method == method and one.call_id == self.dialog.call_id]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Give (author, text) of what came, in order."""
        return [(author_of(one), one.body.decode()) for one in self.requests("MESSAGE")]

    @property
    def words(self) -> list[str]:
        """Give the texts alone."""
        return [text for _, text in self.texts]

    @property
    def reports(self) -> dict[int, list[tuple[str, int]]]:
        """Give, for each Message-Id that was reported, the recipients and their statuses."""
        found: dict[int, list[tuple[str, int]]] = {}
        for one in self.requests("BENOTIFY"):
            root = tree(one.body)
            number = int(root.findtext("message-id"))
            assert number not in found, "two reports about one message"
            found[number] = [
                (element.get("uri").strip("<>"), int(element.findtext("status")))
                for element in root.iterfind("recipient")
            ]
        return found

    def arrival_of(self, request: Request) -> Arrival:
        arrival = Arrival(request, self.flow, "127.0.0.1", self.chat.clock.seconds())
        arrival.who = Identity(self.aor, self.epid, "NTLM")
        return arrival


def author_of(request: Request) -> str:
    """Give the user whom Ms-Sender names."""
    value = request.headers.get("Ms-Sender") or ""
    return name_of(Aor(value.strip("<>")))


def name_of(aor: Aor) -> str:
    """Give the user part."""
    return aor.partition("@")[0].removeprefix("sip:")


def number_of(answers: "Sequence[Response | Refused]") -> int:
    """Give the Message-Id of a message that was accepted."""
    (answer,) = answers
    assert isinstance(answer, Response), answer
    assert answer.status == 202
    return int(answer.headers.get("Message-Id") or "")
