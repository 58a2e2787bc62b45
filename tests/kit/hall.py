"""A hall without doors: router, notifier, store and bus are the real ones, the wire is a list.

For tests of workloads: a `Device` asks, the workload's routes answer, and what the server
sends by itself is found in `Device.heard`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lxml import etree
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName, aor_of
from lyncpy.contracts.outbound import ICall, IOutbound, ResponseObserver
from lyncpy.contracts.refusal import translated
from lyncpy.contracts.workload import CommandCall, Offer, Table
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.notifier import Notifier
from lyncpy.core.operations import Operations
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.router import Router
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.prepared import Prepared
from lyncpy.workloads.directory.groups import Groups
from tests.kit.flows import NoOtherNodes
from tests.kit.memory import MemoryStore
from tests.kit.platform import platform_of, signaling_of
from tests.kit.results import result_of, started

DOMAIN = "contoso.test"


@implementer(IOutbound)
class RecordingOutbound:
    """Keeps what was told, by flow."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.told: dict[FlowName, list[Request]] = {}
        self.full: set[FlowName] = set()

    def send_request(
        self,
        flow: FlowName,
        request: Request,
        *,
        timeout: float,
        on_provisional: Callable[[Response], None] | None = None,
        on_late: Callable[[Response], None] | None = None,
    ) -> ICall:
        """Fail: every device here takes BENOTIFY."""
        raise AssertionError(f"{request.method} was sent, and nobody is there to answer")

    def send_prepared(self, flow: FlowName, prepared: Prepared, hear: ResponseObserver, *, timeout: float) -> None:
        """Fail, as `send_request` does."""
        raise AssertionError(f"{prepared.template.method} was sent, and nobody is there to answer")

    def ask_prepared(self, flow: FlowName, prepared: Prepared, *, timeout: float) -> ICall:
        """Fail, as `send_request` does."""
        raise AssertionError(f"{prepared.template.method} was sent, and nobody is there to answer")

    def send_unanswered(self, flow: FlowName, request: Request | Prepared) -> None:
        """Keep the request."""
        self.told.setdefault(flow, []).append(request.request() if isinstance(request, Prepared) else request)

    def is_full(self, flow: FlowName) -> bool:
        """Tell whether the test says so."""
        return flow in self.full


@implementer(IPeople)
class FewPeople:
    """People of a list, by address."""

    def __init__(self, people: Iterable[Person]) -> None:
        """Take the people."""
        self.people = sorted(people, key=lambda person: person.aor)

    def person(self, aor: Aor) -> Person | None:
        """Give the person with this address."""
        return next((person for person in self.people if person.aor == aor), None)

    def remove(self, aor: Aor) -> None:
        """Have nobody have this address."""
        self.people = [person for person in self.people if person.aor != aor]

    def by_login(self, domain: str, user: str) -> Person | None:
        """Give the person who has this login."""
        return next((person for person in self.people if user.lower() in person.logins), None)

    def by_number(self, uri: str) -> Sequence[Person]:
        """Give everybody with this line."""
        return [person for person in self.people if uri in (person.line, person.private_line)]

    def everybody(self) -> Sequence[Person]:
        """Give everybody."""
        return tuple(self.people)


class Hall:
    """What a workload stands in, on a clock that the test owns."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        """Build an empty hall; `take` brings a workload in."""
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1_700_000_000.0 + self.clock.seconds())
        self.store = MemoryStore(self.timers.wall)
        self.bus = MemoryBus(NodeName("n1"), self.clock)
        self.writers = KeyedLock(self.timers)
        self.outbound = RecordingOutbound()
        self.people = FewPeople(people)
        self.groups = Groups(self.people)
        self.notifier = Notifier(
            self.outbound,
            self.bus,
            f"sip:fe1.{DOMAIN}:5061;transport=tls",
            self.timers,
            per_flow=50,
            per_user=500,
            total=1000,
        )
        self.restart()
        self.offers: list[Offer] = []

    def platform(self, **parts: Any) -> Platform:  # Any: the fields of Platform
        """Give what a workload of this hall is given."""
        own = {
            "timers": self.timers,
            "store": self.store,
            "bus": self.bus,
            "writers": self.writers,
            "people": self.people,
            "groups": self.groups,
        }
        return platform_of(self.clock, **{**own, **parts})

    def signaling(self, **parts: Any) -> Signaling:  # Any: the fields of Signaling
        """Give what a workload of this hall sends with."""
        own = {"outbound": self.outbound, "notifier": self.notifier}
        return signaling_of(self.platform(), **{**own, **parts})

    def restart(self) -> None:
        """Have nobody answer any more; workloads that are taken in from here on do."""
        self.router, self.operations = (
            Router([DOMAIN], [f"fe1.{DOMAIN}"], NoOtherNodes.node, NoOtherNodes(), None),
            Operations(),
        )
        self.router.add_routes(self.operations.rows())

    def take(self, workload: Any) -> None:  # Any: an IWorkload; mypy-zope knows it by its class only
        """Bring in a workload and open it."""
        self.offers.append(workload.offer)
        self.router.add_routes(workload.offer.routes)
        self.operations.add_operations(workload.offer.operations)
        result_of(workload.open())

    def device(self, user: str, epid: str = "e1") -> "Device":
        """Give a signed-in device of a user."""
        return Device(self, user, epid)

    def asked(self, words: str, **args: str) -> Table:
        """Run a command of the shell."""
        command = next(command for offer in self.offers for command in offer.commands if command.name == words)

        async def run() -> Table:
            return await command.run(CommandCall(args, {}))

        return result_of(run())

    async def answer(self, arrival: Arrival) -> Response:
        """Answer a request as `Dispatch` does, after the gate."""
        try:
            response = await self.router.choose(arrival).answer(arrival)
        except Exception as error:
            no = translated(error)
            if no.status == 500:
                raise
            response = no.response(arrival.request)
        assert response is not None
        return response


class Device:
    """One endpoint with a connection of its own."""

    def __init__(self, hall: Hall, user: str, epid: str) -> None:
        """Sign in."""
        self.hall = hall
        self.uri = f"sip:{user}@{DOMAIN}"
        self.who = Identity(aor_of(self.uri), Epid(epid), "NTLM")
        self.flow = FlowName(f"n1/{user}-{epid}")
        self.user_agent = "UCCAPI/15.0 Lync"
        self._number = 0
        self.dialogs: dict[str, tuple[str, str]] = {}

    @property
    def heard(self) -> list[Request]:
        """What the server has told since the connection began."""
        return self.hall.outbound.told.get(self.flow, [])

    def subscribe(
        self, event: str, body: bytes = b"", *, to: str = "", expires: int | None = None, content_type: str = ""
    ) -> Response:
        """Subscribe, or refresh what is subscribed."""
        call_id, target = self.dialogs.get(event, (f"{self.flow}-{event}", ""))
        to_value = f"<{to or self.uri}>" + (f";tag={target}" if target else "")
        uri = f"sip:fe1.{DOMAIN}:5061;transport=tls" if target else to or self.uri
        extra = [
            ("Event", event),
            ("Supported", "ms-benotify"),
            ("Proxy-Require", "ms-benotify"),
            ("Supported", "ms-piggyback-first-notify"),
            ("Contact", f"<{self.uri};opaque=user:epid:{self.who.epid};gruu>"),
        ]
        if expires is not None:
            extra.append(("Expires", str(expires)))
        if body:
            extra.append(("Content-Type", content_type))
        response = self.ask("SUBSCRIBE", uri, to_value, extra, body, call_id=call_id)
        if response.status == 200 and expires != 0:
            self.dialogs[event] = (call_id, response.to.tag or "")
        return response

    def service(self, content_type: str, body: bytes, *, to: str = "") -> Response:
        """Ask the server for a service."""
        target = to or self.uri
        return self.ask("SERVICE", target, f"<{target}>", [("Content-Type", content_type)], body)

    def ask(
        self, method: str, uri: str, to: str, extra: list[tuple[str, str]], body: bytes, *, call_id: str = ""
    ) -> Response:
        """Send a request, let everything that follows from it happen, and give the answer."""
        arrival = self.arrival(method, uri, to, extra, body, call_id=call_id)
        results: list[Any] = []  # Any: a response, or the failure of a bug
        _ = started(self.hall.answer(arrival)).addBoth(results.append)
        for _turn in range(20):
            self.hall.clock.advance(0)
        assert results, "no answer"
        if isinstance(results[0], Failure):
            results[0].raiseException()
        response: Response = results[0]
        return response

    def arrival(
        self, method: str, uri: str, to: str, extra: list[tuple[str, str]], body: bytes, *, call_id: str = ""
    ) -> Arrival:
        """Give a request as the gate hands it on."""
        self._number += 1
        headers = Headers(
            [
                ("Via", f"SIP/2.0/TLS 127.0.0.1:5000;branch=z9hG4bK{self._number}"),
                ("From", f"<{self.uri}>;tag=t{self.who.epid};epid={self.who.epid}"),
                ("To", to),
                ("Max-Forwards", "70"),
                ("CSeq", f"{self._number} {method}"),
                ("Call-ID", call_id or f"{self.flow}-{self._number}"),
                ("User-Agent", self.user_agent),
                *extra,
            ]
        )
        request = Request(method, uri, headers, body)
        return Arrival(request, self.flow, "127.0.0.1", self.hall.clock.seconds(), who=self.who)


def tree(body: bytes) -> Any:  # Any: lxml's tree, for XPath
    """Parse XML that we wrote, without its namespaces, so that a test can ask by plain paths."""
    root = etree.fromstring(body)
    for element in root.iter():
        element.tag = etree.QName(element).localname
    return root
