"""Gateways and trunks: where they are, whether they answer, and how much each has to do.

Each is asked by OPTIONS now and then: whatever it answers says that it is there, but 408 and 503 (RFC 3261 §11). One that does
not answer is asked again soon, less and less often, and is called no more until it has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.networks import Networks
from lyncpy.contracts.peers import PeerPlace, PeerUnreachable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.core.deadline import Deadlines
from lyncpy.core.peers import PeerTransactions
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import MAX_FORWARDS
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag
from lyncpy.workloads.voice.model.gateway_choice import GatewayState, rest_s
from lyncpy.workloads.voice.settings import GatewaySettings, Settings

FIRST_AGAIN_S: Final = 2.0
"""Seconds from a question without an answer to the next; each further one doubles them, up to the gateway's own."""

AWAY: Final = frozenset({408, 430, 503})
"""Answers, or what stands for none, that say that a gateway takes no calls."""


@dataclass(eq=False, slots=True)
class Gateway:
    """One gateway."""

    name: str
    settings: GatewaySettings
    sources: Networks
    """From where it sends beside its own address."""

    authority: str = ""
    """The file with the certificates of who may have issued its own; "": the system's."""

    addresses: Sequence[str] = ()
    """IP addresses of its name, the one in use first."""

    is_up: bool | None = None
    """None: it has not been asked yet."""

    since: float = 0.0
    """Wall-clock seconds since when that is so."""

    said: str = ""
    """Why it is not up."""

    failed: int = 0
    """Questions in a row that it has not answered."""

    calls: int = 0
    rests_until: float = 0.0

    @property
    def place(self) -> PeerPlace | None:
        """Where it is; None: its name has no address."""
        if not self.addresses:
            return None
        given = self.settings
        name = given.certificate_name or given.address
        return PeerPlace(given.transport, self.addresses[0], given.port_used, name, self.authority)

    @property
    def word(self) -> str:
        """Say whether it is up."""
        return {None: "not asked", True: "up", False: "down"}[self.is_up]

    def state(self) -> GatewayState:
        """Give what counts for the choice among several."""
        given = self.settings
        is_up = self.is_up is not False and bool(self.addresses)
        return GatewayState(given.priority, given.weight, is_up, self.calls, given.calls, self.rests_until)

    def has(self, address: str) -> bool:
        """Tell whether it sends from an IP address."""
        return address in self.addresses or address in self.sources


class Gateways:
    """All gateways of the settings.

    Args:
        peers: Asks them.
        settings: The section [voice].
        timers: The deadlines.
        meter: Shows how many there are.
        here: By which host they reach us, where the settings name none; and what gives the file that a setting names.
    """

    log = Logger()

    def __init__(
        self,
        peers: PeerTransactions,
        settings: Settings,
        timers: ITimers,
        meter: IMeter,
        here: tuple[str, Callable[[str], str]],
    ) -> None:
        self._peers = peers
        self._timers = timers
        self._settings = settings
        self._host, self._path = here
        self._gateways: dict[str, Gateway] = {}
        self._due: Deadlines[str] = Deadlines(timers, self._ask)
        self._is_open = self._is_listening = False
        self._trouble = ""
        self._take(settings)
        meter.gauge("lyncpy_voice_gateways_count", "Gateways and trunks.", self._gateways.__len__)
        meter.gauge(
            "lyncpy_voice_gateways_down_count",
            "Gateways and trunks that do not answer.",
            lambda: sum(one.is_up is False for one in self._gateways.values()),
        )
        meter.gauge(
            "lyncpy_voice_gateway_calls_count",
            "Calls at gateways, those that ring included.",
            lambda: sum(one.calls for one in self._gateways.values()),
        )

    def __len__(self) -> int:
        return len(self._gateways)

    @property
    def sent_by(self) -> str:
        """Give our host and port, as gateways know them."""
        return f"{self._settings.gateway_host or self._host}:{self._settings.gateway_port or 5060}"

    def contact(self, gateway: Gateway) -> str:
        """Give our Contact for a gateway."""
        return f"sip:{self.sent_by};transport={gateway.settings.transport}"

    def named(self, name: str) -> Gateway | None:
        """Give a gateway by its name."""
        return self._gateways.get(name)

    def all_gateways(self) -> Sequence[Gateway]:
        """Give all, in the order of the settings."""
        return tuple(self._gateways.values())

    def states(self) -> Mapping[str, GatewayState]:
        """Give what counts for the choice."""
        return {name: one.state() for name, one in self._gateways.items()}

    def at(self, address: str) -> Gateway | None:
        """Give whose an IP address is."""
        return next((one for one in self._gateways.values() if one.has(address)), None)

    def is_known(self, address: str) -> bool:
        """Tell whether an IP address is a gateway's."""
        return self.at(address) is not None

    # --- life

    def adopt(self, settings: Settings) -> bool:
        """Put other settings in force; tell whether they differ. The port stays as it is until the next start."""
        changed = settings.gateways != self._settings.gateways
        self._settings = settings
        if changed:
            self._take(settings)
        return changed

    def _take(self, settings: Settings) -> None:
        for name in [one for one, old in self._gateways.items() if settings.gateways.get(one) != old.settings]:
            gone = self._gateways.pop(name)
            self._due.clear(name)
            if gone.place is not None:
                self._peers.wire.close_place(gone.place)
        for name, given in settings.gateways.items():
            if name not in self._gateways:
                authority = self._path(given.authority) if given.authority else ""
                sources = Networks(given.sources)
                self._gateways[name] = Gateway(name, given, sources, authority, since=self._timers.wall())
                if self._is_open:
                    self._due.set(name, 0.0)

    async def open(self) -> None:
        """Ask all of them, from now on."""
        self._is_open = True
        if self._gateways:
            await self._listen()
        for name in self._gateways:
            self._due.set(name, 0.0)

    async def _listen(self) -> None:
        """Open the port, unless it is open; that another process has it ends no server."""
        if self._is_listening:
            return
        try:
            await self._peers.wire.listen(self._settings.gateway_port, self._settings.gateway_address)
        except PeerUnreachable as error:
            self._trouble = str(error)
            return
        self._is_listening, self._trouble = True, ""

    async def close(self) -> None:
        """Ask nobody any more."""
        self._is_open = False
        self._due.clear_all()
        await self._peers.wire.close()

    # --- whether they answer

    def _ask(self, name: str) -> None:
        spawn(self._look_at(self._gateways[name]), self.log, "asking a gateway")

    async def _look_at(self, gateway: Gateway) -> None:
        await self._listen()
        said = self._trouble
        if not said:
            try:
                gateway.addresses = await self._peers.wire.addresses(gateway.settings.address)
            except PeerUnreachable as error:
                said = str(error)
            else:
                said = await self._asked(gateway)
        if self._is_open and self._gateways.get(gateway.name) is gateway:
            self._note(gateway, said)

    async def _asked(self, gateway: Gateway) -> str:
        """Ask; give why it takes no calls, or ""."""
        place = gateway.place
        if place is None:
            return "its name has no address"
        call = self._peers.ask(place, self._options(gateway), answer_s=float(gateway.settings.answer_s))
        response = await call.final
        if response.status not in AWAY:
            return ""
        if response.status == 503 and not call.local:
            return "it answers 503: it takes no calls"
        return f"nothing answers at {place}" if response.status == 408 else f"no connection to {place}"

    def _note(self, gateway: Gateway, said: str) -> None:
        is_up = not said
        has_changed = gateway.is_up is not is_up
        gateway.is_up, gateway.said = is_up, said
        if has_changed:
            gateway.since = self._timers.wall()
            tell = self.log.info if is_up else self.log.warn
            tell("gateway {name} is {word}{reason}", name=gateway.name, word=gateway.word, reason=said and f": {said}")
        gateway.failed = 0 if is_up else gateway.failed + 1
        pause = float(gateway.settings.ping_s)
        if not is_up:
            pause = min(pause, FIRST_AGAIN_S * 2.0 ** min(gateway.failed - 1, 10))
        self._due.set(gateway.name, pause)

    def refused(self, gateway: Gateway, response: Response, *, local: bool) -> None:
        """Note that a call could not be made there: one that is silent is down until it answers, one that is full rests."""
        if local and response.status in AWAY:
            place = gateway.place
            if self._is_open and self._gateways.get(gateway.name) is gateway:
                self._note(gateway, f"a call at {place} was not answered")
            return
        after = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
        told = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else None
        rest = rest_s(response.status, told)
        if rest:
            gateway.rests_until = max(gateway.rests_until, self._timers.now() + rest)

    def _options(self, gateway: Gateway) -> Request:
        host = self.sent_by
        uri = f"sip:{gateway.settings.address}:{gateway.settings.port_used};transport={gateway.settings.transport}"
        return Request(
            "OPTIONS",
            uri,
            Headers(
                [
                    ("Max-Forwards", MAX_FORWARDS),
                    ("From", f"<sip:{host}>;tag={new_tag()}"),
                    ("To", f"<{uri}>"),
                    ("Call-ID", new_call_id()),
                    ("CSeq", "1 OPTIONS"),
                    ("Contact", f"<{self.contact(gateway)}>"),
                    ("Accept", "application/sdp"),
                ]
            ),
        )

    # --- for operators

    def conditions(self) -> Sequence[Reason]:
        """Say which do not answer, and which routes lead nowhere therefore."""
        if self._trouble:
            remedy = "have nobody else use it, or choose another [voice] gateway_port"
            return [Reason("voice", f"no gateway is connected: {self._trouble}", good=False, remedy=remedy, grave=True)]
        down = [one for one in self._gateways.values() if one.is_up is False]
        found = [_down(one) for one in down]
        names = {one.name for one in down}
        for name, route in self._settings.routes.items():
            known = [one for one in route.gateways if one in self._gateways]
            if known and names.issuperset(known):
                words = f'no gateway of the route "{name}" answers: {", ".join(known)}'
                remedy = "until one does, calls that only this route takes are refused"
                found.append(Reason("voice", words, good=False, remedy=remedy, grave=True, key=f"route {name}"))
        return found


def _down(gateway: Gateway) -> Reason:
    words = f'the gateway "{gateway.name}" does not answer: {gateway.said}'
    remedy = f"see whether it runs, and whether [voice.gateways.{gateway.name}] names it as it is"
    return Reason("voice", words, good=False, remedy=remedy, key=f"gateway {gateway.name}")
