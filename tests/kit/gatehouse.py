"""What a gate needs around it: people, secrets, flows that record, and a clock that tests turn."""

from collections.abc import Sequence

from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.auth.digest import DigestProof
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.authenticator import IAuthenticator
from lyncpy.contracts.directory import IPeople, ISecrets, Person
from lyncpy.contracts.flows import FlowFacts, FlowGone, IFlows
from lyncpy.contracts.guests import GuestAccess, IGuests
from lyncpy.contracts.names import Aor, FlowName, NodeName
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.tapping import Tap
from lyncpy.core.anonymous import AnonymousGate
from lyncpy.core.called_as import CalledAs
from lyncpy.core.gate import Gate
from lyncpy.core.known_networks import KnownNetworks
from lyncpy.core.settings import Settings
from lyncpy.core.shared_tries import SharedTries
from lyncpy.core.signins import SignIns
from lyncpy.core.timers import Timers
from lyncpy.core.tries import SignInRules, SignInTries
from lyncpy.sip.message import Headers, Message, Request
from lyncpy.sip.prepared import Prepared
from tests.kit.bus import ToldBus
from tests.kit.memory import MemoryStore
from tests.kit.meters import MemoryMeter

WALL = 1_700_000_000.0
"""The wall-clock time at which every test begins."""


def timers_of(clock: Clock) -> Timers:
    """Deadlines over a test's clock, whose wall goes with it."""
    return Timers(clock, lambda: WALL + float(clock.seconds()))


@implementer(IGuests)
class NoGuests:
    """No conference admits guests."""

    def door(self, uri: str) -> GuestAccess:
        """Refuse."""
        raise Refused(403)

    def is_inside(self, guest: Aor) -> bool:
        """Tell that nobody is."""
        return False


@implementer(IPeople)
class TablePeople:
    """People from a list."""

    def __init__(self, *people: Person) -> None:
        self.table = {person.aor: person for person in people}

    def person(self, aor: Aor) -> Person | None:
        """Give the person with this address."""
        return self.table.get(aor)

    def by_login(self, domain: str, user: str) -> Person | None:
        """Give the person with this login or address."""
        name = f"{domain}\\{user}".lower() if domain else user.lower()
        for person in self.table.values():
            if name == person.aor[4:] or name in (login.lower() for login in person.logins):
                return person
        return None

    def by_number(self, uri: str) -> Sequence[Person]:
        """Give everybody with this line."""
        return [person for person in self.table.values() if uri in (person.line, person.private_line)]

    def everybody(self) -> Sequence[Person]:
        """Give everybody."""
        return tuple(self.table.values())


@implementer(ISecrets)
class TableSecrets:
    """NT hashes in a dictionary."""

    def __init__(self, table: dict[str, bytes]) -> None:
        self.table = table

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Give a user's hash."""
        return self.table.get(aor)

    async def set_hash(self, aor: Aor, nt_hash: bytes | None) -> None:
        """Set or remove it."""
        self.table[aor] = nt_hash or b""


def signins_of(
    people: IPeople, rules: SignInRules, meter: MemoryMeter, timers: Timers, relays: Sequence[str] = ()
) -> SignIns:
    """Give who counts failed sign-ins, with a store of its own for known places."""
    places = KnownNetworks(MemoryStore(timers.steady), timers, lambda place: None)
    tries = SignInTries(people, places, Relays(relays), rules)
    return SignIns(people, tries, SharedTries(NodeName("n"), tries, ToldBus(), timers), meter, timers)


def gate_of(
    schemes: Sequence[IAuthenticator],
    signins: SignIns,
    flows: IFlows,
    meter: MemoryMeter,
    settings: Settings,
    timers: Timers,
) -> Gate:
    """Give a gate with these schemes, before which no guests come."""
    proof, rules = DigestProof(answer_s=60.0, lifetime_s=28_800.0), AuthSettings()
    guests = AnonymousGate(proof, flows, NoGuests(), meter, rules, settings, timers, Relays(()))
    return Gate(schemes, signins, flows, meter, settings, timers, guests, CalledAs(bytes))


@implementer(IFlows)
class RecordedFlows:
    """Flows that remember what was sent and why they were closed."""

    def __init__(self) -> None:
        self.sent: list[tuple[FlowName, Message]] = []
        self.closed: dict[FlowName, str] = {}
        self.vouched: dict[FlowName, bool] = {}
        self.held: set[FlowName] = set()

    def send(self, flow: FlowName, message: Message | Prepared) -> None:
        """Remember; a closed flow is gone."""
        if flow in self.closed:
            raise FlowGone
        self.sent.append((flow, message.request() if isinstance(message, Prepared) else message))

    def is_full(self, flow: FlowName) -> bool:
        """Everybody has room."""
        return False

    def send_raw(self, flow: FlowName, data: bytes) -> None:
        """No test sends bytes here."""
        raise FlowGone

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Remember the reason."""
        self.closed[flow] = reason

    def vouch(self, flow: FlowName, known: bool) -> None:
        """Remember."""
        self.vouched[flow] = known

    def peer(self, flow: FlowName) -> str:
        """Give no address."""
        return ""

    def tap_with(self, tap: Tap | None) -> None:
        """Nobody traces here."""

    def names(self) -> tuple[FlowName, ...]:
        """Give none."""
        return ()

    def facts(self) -> tuple[FlowFacts, ...]:
        """Give none."""
        return ()

    def silent(self, since: float) -> tuple[FlowName, ...]:
        """Everybody was just heard."""
        return ()

    def is_silent(self, flow: FlowName, since: float) -> bool:
        """Everybody was just heard."""
        return False

    def pause_reading(self, flow: FlowName) -> None:
        """Remember."""
        self.held.add(flow)

    def resume_reading(self, flow: FlowName) -> None:
        """Forget."""
        self.held.discard(flow)


def request_of(aor: str, method: str, *more: tuple[str, str], number: int = 1, epid: str = "e1") -> Request:
    """A request as a client writes it, unsigned."""
    fields = [
        ("From", f"<{aor}>;tag=1;epid={epid}"),
        ("To", f"<{aor}>"),
        ("Call-ID", "c"),
        ("CSeq", f"{number} {method}"),
        *more,
    ]
    return Request(method, "sip:contoso.test", Headers(fields))
