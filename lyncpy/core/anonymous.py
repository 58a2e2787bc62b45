"""Guests at the gate: who has no account comes in where a conference's key opens, and nowhere else.

A guest never signs in. They make up an address in `anonymous.invalid`, and each of their
requests carries the proof that they know the key of the conference that it goes to. What we
send them is not signed: there is nothing to sign with but the key, which others know too.

Their name belongs to the connection on which they first proved a key, as long as it lives: it is
in every roster, and whoever else used it would be taken for them.

Spec: [MS-SIPAE] 3.2.4.3, 3.2.5.6; [MS-OCER] 3019 to 3022.
"""

import re
from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.authenticator import Challenge
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.guests import GUEST_DOMAIN, GuestAccess, IGuests, IKeyProof, Proof
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, FlowName, aor_of, epid_of
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.limits import Throttle
from lyncpy.core.settings import Settings
from lyncpy.core.signins import NOT_YOU
from lyncpy.core.tries import SignInRules
from lyncpy.sip.message import Request

METHODS: Final = frozenset({"INVITE", "ACK", "BYE", "INFO", "MESSAGE", "UPDATE", "SUBSCRIBE", "OPTIONS"})
"""What a guest may send; CANCEL belongs to the INVITE that it cancels, and is asked nothing."""

EVENT: Final = "conference"

FORBIDDEN: Final = Diagnostics(3019, "Forbidden destination for anonymous user")

_ADDRESS: Final = re.compile(r"sip:[0-9a-z][0-9a-z._-]{0,63}@" + re.escape(GUEST_DOMAIN))
_CREDENTIALS: Final = ("Authorization", "Proxy-Authorization")


@dataclass(slots=True)
class _Guest:
    who: Identity
    peer: str


class AnonymousGate:
    """The guests of this process, by connection; bounded in total and for each address.

    Args:
        proof: Verifies that a guest knows a conference's key.
        flows: The connections.
        doors: Says which conferences admit guests.
        meter: Shows how many guests there are.
        rules: Of failed tries; a wrong key counts as a failed sign-in does.
        settings: The section [limits].
        timers: The clock.
        relays: Addresses that many people share, which are not counted.
    """

    log = Logger()

    def __init__(
        self,
        proof: IKeyProof,
        flows: IFlows,
        doors: IGuests,
        meter: IMeter,
        rules: SignInRules,
        settings: Settings,
        timers: ITimers,
        relays: Relays,
    ) -> None:
        self._proof = proof
        self._wire = flows
        self._meter = meter
        self._settings = settings
        self._timers = timers
        self._relays = relays
        self._rules = rules
        self._tries = Throttle(rules, rules.tries_per_user, "auth.tries_of_guests")
        self._crowds = Throttle(rules, rules.tries_per_address, "auth.tries_of_guests_per_address")
        self._doors = doors
        self._guests: dict[FlowName, _Guest] = {}
        self._idle: Deadlines[FlowName] = Deadlines(timers, self._look_after)
        self._names: dict[Aor, FlowName] = {}
        self._peers: Counter[str] = Counter()
        self._limits = (
            Limit("limits.guests_total", settings.guests_total, lambda: len(self._guests)),
            Limit(
                "limits.guests_per_address",
                settings.guests_per_address,
                lambda: max(self._peers.values(), default=0),
            ),
            Limit("limits.guest_idle_s", settings.guest_idle_s),
        )
        meter.gauge("lyncpy_core_guests_count", "Connections of guests.", lambda: float(len(self._guests)))

    def __len__(self) -> int:
        return len(self._guests)

    def expects(self, request: Request) -> bool:
        """Tell whether a stranger's request is that of a guest."""
        return aor_of(request.from_.uri).endswith(f"@{GUEST_DOMAIN}")

    def closed(self, flow: FlowName) -> None:
        """Forget a connection; unknown ones are ignored."""
        self._proof.drop_challenges(flow)
        guest = self._guests.pop(flow, None)
        if guest is None:
            return
        self._idle.clear(flow)
        del self._names[guest.who.aor]
        network = network_of(guest.peer)
        self._peers[network] -= 1
        if not self._peers[network]:
            del self._peers[network]

    def admit(self, arrival: Arrival) -> Identity | Challenge:
        """Prove a guest's request, or give the challenge that they have to answer.

        Raises:
            Refused: 403; it goes where no guest may go, or in another's name. 503 after too
                many wrong keys, and where there are too many guests.
        """
        request, guest = arrival.request, self._guests.get(arrival.flow)
        aor = _checked_name(request)
        door = self._door(request)
        # A guest has one name on a connection: with another they could speak for another guest.
        if guest is not None:
            if guest.who.aor != aor:
                raise Refused(403, NOT_YOU)
            if request.method == "ACK":  # RFC 3261 §22.1: nobody can ask it to try again
                return guest.who
        else:
            self._check_patience(door, arrival.peer)
        credentials = self._credentials(request)
        if credentials is None:
            return Challenge(self._proof.challenge(arrival.flow, door, arrival.at))
        proof = self._proof.check(arrival.flow, request, credentials, door, arrival.at)
        if proof is Proof.WRONG and not door.is_certain:
            proof = Proof.STALE
        if proof is not Proof.PROVEN:
            # A stale answer is no guess: the key may be right, and only the challenge is too old.
            if proof is Proof.WRONG:
                self._failed(door, arrival.peer)
            return Challenge(self._proof.challenge(arrival.flow, door, arrival.at, stale=proof is Proof.STALE))
        return self._welcome(arrival, aor, door) if guest is None else guest.who

    def _door(self, request: Request) -> GuestAccess:
        if request.method not in METHODS:
            raise Refused(403, FORBIDDEN)
        if request.method == "SUBSCRIBE" and request.event != EVENT:
            raise Refused(403, FORBIDDEN)
        door: GuestAccess = self._doors.door(request.uri)
        return door

    def _credentials(self, request: Request) -> str | None:
        values = (value for name in _CREDENTIALS for value in request.headers.get_all(name))
        return next((value for value in values if value.partition(" ")[0].lower() == self._proof.scheme.lower()), None)

    # --- coming in

    def _welcome(self, arrival: Arrival, aor: Aor, door: GuestAccess) -> Identity:
        if aor in self._names:
            raise Refused(403, NOT_YOU)
        flow, peer = arrival.flow, arrival.peer
        crowd = self._peers[network_of(peer)] >= self._settings.guests_per_address and peer not in self._relays
        if len(self._guests) >= self._settings.guests_total or crowd:
            self._limits[crowd].hit()
            self.log.warn("too many guests, {aor} from {address} not let in", aor=aor, address=peer)
            raise Refused(503, Diagnostics(1, "Too many guests"), headers=[("Retry-After", "60")])
        from_ = arrival.request.from_
        who = Identity(aor, epid_of(from_.epid or from_.tag or ""), self._proof.scheme, guest=True)
        self._guests[flow] = _Guest(who, peer)
        self._idle.set(flow, self._settings.guest_idle_s)
        self._names[aor] = flow
        self._peers[network_of(peer)] += 1
        # Who knows the key has nothing left to guess. What others guessed at this conference goes on to count.
        self._tries.forgive(_place(door, peer))
        self.log.info("{aor} came in from {address} on {flow} as a guest", aor=aor, address=peer, flow=flow)
        return who

    def _look_after(self, flow: FlowName) -> None:
        """Disconnect a guest that takes part in no conference."""
        guest = self._guests[flow]
        if self._doors.is_inside(guest.who.aor):
            self._idle.set(flow, self._settings.guest_idle_s)
        else:
            self._limits[2].hit()
            self._wire.close_flow(flow, "a guest who is in no conference")

    # --- wrong keys

    def _check_patience(self, door: GuestAccess, peer: str) -> None:
        now = self._timers.now()
        # Whoever knows the key needs one try: so many leave each other at a conference or an address, whatever they guess.
        crowded = any(
            self._crowds.failures(one, now) >= self._rules.tries_per_address for one in self._crowds_of(door, peer)
        )
        wait_s = self._tries.wait(_place(door, peer), now, allowed=1 if crowded else None)
        if wait_s > 0:
            seconds = ceil(wait_s)
            raise Refused(
                503,
                Diagnostics(1, f"Too many wrong keys, try again in {seconds} seconds"),
                headers=[("Retry-After", str(seconds))],
            )

    def _crowds_of(self, door: GuestAccess, peer: str) -> tuple[str, ...]:
        """Give the second name under which a wrong key counts; a relay's address counts for nobody."""
        return (door.conference,) if peer in self._relays else (door.conference, network_of(peer))

    def _failed(self, door: GuestAccess, peer: str) -> None:
        now, network = self._timers.now(), network_of(peer)
        self._tries.count_failure(_place(door, peer), now, network)
        for one in self._crowds_of(door, peer):
            self._crowds.count_failure(one, now, network)
        self._meter.counter("lyncpy_core_guest_failures_total", "Wrong keys of guests.").add()
        self.log.info(
            "a guest from {address} does not know the key of {conference}", address=peer, conference=door.conference
        )


def _place(door: GuestAccess, peer: str) -> str:
    """Give the name under which failures of one address at one conference are counted."""
    return f"{door.conference} from {network_of(peer)}"


def _checked_name(request: Request) -> Aor:
    """Give the address that a guest made up.

    Raises:
        Refused: 403, it is another's, or holds more than a name.
    """
    aor = aor_of(request.from_.uri)
    if _ADDRESS.fullmatch(aor) is None:
        raise Refused(403, NOT_YOU)
    return aor
