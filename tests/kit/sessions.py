"""Two people and their devices before the workload of sessions, without a wire: each request is answered by hand."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.facts import Fact
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance, NodeName
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.workload import CommandCall, Table
from lyncpy.core.asserted_identity import AssertedIdentity
from lyncpy.core.called_as import CalledAs
from lyncpy.core.forward import Forward
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.im.service import Im
from lyncpy.workloads.im.settings import Settings
from tests.kit.chats import NoArchive, SlowArchive
from tests.kit.fakes import awaited
from tests.kit.hall import FewPeople
from tests.kit.memory import MemoryRecords
from tests.kit.meters import MemoryMeter
from tests.kit.outbound import FakeOutbound
from tests.kit.platform import platform_of, registrations_of, signaling_of
from tests.kit.results import result_of, started
from tests.kit.voice import NoCalls, numbers_of

ALICE, BOB, CAROL = (Aor(f"sip:{name}@example.test") for name in ("alice", "bob", "carol"))
SDP = b"v=0\r\nm=message 5060 sip null\r\n"


class Members(Groups):
    """One group of the directory, whose members a test has listed."""

    def __init__(self, address: Aor, *members: Aor) -> None:
        super().__init__(FewPeople(()))
        self._address = address
        self._listed = members

    def by_address(self, aor: Aor) -> Group | None:
        """Give the group, by its address."""
        return Group("team", "Team", aor=aor) if aor == self._address else None

    def members(self, key: str, limit: int) -> Sequence[Aor]:
        """Give its members, not more than asked for."""
        return self._listed[:limit]


@implementer(IPrivacy)
class Blocks:
    """Who blocks whom."""

    def __init__(self) -> None:
        """Begin with nobody blocked."""
        self.pairs: set[tuple[Aor, Aor]] = set()
        self.unreadable: dict[tuple[Aor, Aor], Exception] = {}
        """Of whom it cannot be read, and what is raised instead."""

    async def is_blocked(self, owner: Aor, other: Aor) -> bool:
        """Look it up."""
        if (owner, other) in self.unreadable:
            raise self.unreadable[owner, other]
        return (owner, other) in self.pairs


class Scene:
    """Alice and Bob are signed in; Carol is not."""

    def __init__(
        self,
        *,
        archive: SlowArchive | None = None,
        members: Members | None = None,
        **settings: Any,  # Any: the section [im]
    ) -> None:
        """Sign them in."""
        self.archive = archive
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1000.0 + self.clock.seconds())
        self.bus = MemoryBus(NodeName("n"), self.clock)
        self.records = MemoryRecords()
        self.registrations = registrations_of("n", self.bus, self.timers)
        self.bindings = self.registrations.own
        self.outbound = FakeOutbound()
        self.privacy = Blocks()
        self.people = people = FewPeople(
            [
                Person(ALICE, "a", display_name="Alice"),
                Person(BOB, "b"),
                Person(CAROL, "c"),
                Person(Aor("sip:dave@example.test"), "d", enabled=False),
            ]
        )
        forward = Forward(
            self.outbound,
            "sip:sip.example.test:5061;lr",
            AssertedIdentity(people, self.timers),
            self.timers,
            CalledAs(bytes),
        )
        self.meter = MemoryMeter()
        platform = platform_of(
            self.clock,
            node=NodeName("n"),
            meter=self.meter,
            timers=self.timers,
            bus=self.bus,
            records=self.records,
            people=people,
            groups=Groups(people) if members is None else members,
            locator=self.registrations,
        )
        signaling = signaling_of(platform, outbound=self.outbound, forward=forward)
        self.im = Im(
            platform,
            signaling,
            self.privacy,
            archive or NoArchive(),
            numbers_of(people, "example.test"),
            NoCalls(),
            Settings(**{"record_counts_s": 1.0, **settings}),
        )
        result_of(self.im.open())
        self.sign_in(ALICE, "a1")
        self.sign_in(BOB, "b1")

    def count(self, of: str) -> float:
        """Give how many sessions, invitations, participants there are, as operators are told."""
        return self.meter.gauges[f"lyncpy_im_{of}_count"]()

    def sign_in(self, aor: Aor, epid: str) -> Endpoint:
        """Sign a device in."""
        endpoint = Endpoint(
            aor,
            Epid(epid),
            Instance(f"instance-{epid}"),
            f"{aor};opaque=user:epid:{epid};gruu",
            f"sip:127.0.0.1:1;x={epid}",
            FlowName(f"n/{epid}"),
            "Purple",
            0.0,
            9e9,
            "127.0.0.1",
        )
        self.bindings.register(endpoint, None)
        return endpoint

    def send(
        self,
        method: str,
        *,
        by: Aor = ALICE,
        epid: str = "a1",
        to: str = BOB,
        uri: str = "",
        tags: tuple[str, str] = ("ta", ""),
        number: int = 1,
        body: bytes = b"",
        content_type: str = "",
        call_id: str = "c1",
        more: Sequence[tuple[str, str]] = (),
    ) -> list[Any]:
        """Send a request; the list gets its answer or refusal when there is one."""
        headers = [
            ("Via", "SIP/2.0/tls 127.0.0.1:40000"),
            ("From", f"<{by}>;tag={tags[0]};epid={epid}"),
            ("To", f"<{to}>" + (f";tag={tags[1]}" if tags[1] else "")),
            ("Max-Forwards", "70"),
            ("CSeq", f"{number} {method}"),
            ("Call-ID", call_id),
            ("User-Agent", "Purple/1"),
            ("Ms-Conversation-ID", "conv"),
            *more,
        ]
        if body:
            usual = "application/sdp" if method == "INVITE" else "text/plain"
            headers.append(("Content-Type", content_type or usual))
        self.arrival = Arrival(
            Request(method, uri or to, Headers(headers), body), FlowName(f"n/{epid}"), "127.0.0.1", 0.0
        )
        self.arrival.who = Identity(by, Epid(epid), "NTLM")
        results: list[Any] = []

        async def answer() -> Response | None:
            return await self.im.offer.routes[0].answer(self.arrival)

        def failed(failure: Any) -> None:
            failure.trap(Refused)
            results.append(failure.value)

        _ = started(answer()).addCallbacks(results.append, failed)
        return results

    def talk(self) -> None:
        """Have Alice and Bob in a session with tags ta and tb."""
        answers = self.send("INVITE", body=SDP)
        self.outbound.to("n/b1").answers(200, tag="tb", headers=(("User-Agent", "Lync"),))
        assert answers[0].status == 200
        self.send("ACK", tags=("ta", "tb"))

    def tells(self, fact: Fact) -> None:
        """Have a fact heard."""
        self.bus.tell(fact)
        self.turn()

    def turn(self) -> None:
        """Let happen what happens at once."""
        for _ in range(5):
            self.clock.advance(0)

    @property
    def record(self) -> SessionRecord:
        """Give the one call detail record."""
        (record,) = self.all_records()
        return record

    def all_records(self) -> Sequence[SessionRecord]:
        """Give the call detail records, newest first."""
        self.clock.pump([1, 1])  # counts are recorded, then written
        found: Sequence[SessionRecord] = result_of(awaited(self.records.sessions()))
        return found

    def run(self, user: str = "", **flags: str) -> Table:
        """Run the command `sessions`."""

        async def run() -> Table:
            return await self.im.offer.commands[0].run(CommandCall({"user": user} if user else {}, flags))

        return result_of(run())
