"""Who may come in, and our signature on all that goes out.

A flow begins as a stranger's. REGISTER leads it through a handshake; what remains of that
is the flow's association, and from then on each request and response of the client must
verify with it and each of ours is signed with it. The association lives and ends with the
flow.

*Re-authentication* needs care. A client that begins a second handshake throws its keys away
and answers unsigned, which we could not believe. When it gets the challenge it has the new
keys at once, we have them one round trip later. What we signed with the old ones in between
would end its session ("invalid message signature"), and what we did not sign it would drop
in silence. So the gate holds back what is sent from the first REGISTER of a second handshake
on and lets it go, in order, when the new association stands.

Who has no account is a guest, and the `AnonymousGate`'s affair.

Spec: [MS-SIPAE] 3.2, 3.3.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Final, NamedTuple, overload

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, IAssociation, IAuthenticator, Invalid
from lyncpy.contracts.flows import FlowGone, IFlows
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, FlowName, aor_of, epid_of
from lyncpy.contracts.refusal import EXPECTED_FAILURE, Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.anonymous import AnonymousGate
from lyncpy.core.called_as import CalledAs
from lyncpy.core.deadline import Deadlines
from lyncpy.core.per_user import ConnectionsPerUser
from lyncpy.core.senders import is_from
from lyncpy.core.settings import Settings
from lyncpy.core.signins import NOT_YOU, SignIns
from lyncpy.core.tries import SignInAttempt
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Headers, Message, Request, Response
from lyncpy.sip.prepared import Prepared

RENEWAL_S: Final = 120.0
"""A REGISTER that comes so shortly before its keys end, in seconds, is asked for new ones: a client knows no other sign
that a ticket ends. No registration is granted for longer than the keys, so that one comes."""

CHALLENGES_PER_FLOW: Final = 64
"""401s to one flow without success; a client that cannot stop asking is disconnected."""

HOLD_S: Final = 10.0
"""How long a second handshake may take before held messages go out as before."""

HELD_MESSAGES: Final = 1_024
"""Messages held back for one client; one more and it is disconnected. The answers to all that it may
have under way (`pending_per_flow`) have room, and what it is told meanwhile."""

_CREDENTIALS: Final = ("Authorization", "Proxy-Authorization")
_DATA: Final = "gssapi-data"
_SIGNATURES: Final = frozenset(
    {"authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"}
)


@dataclass(eq=False, slots=True)
class _GateFlow:
    """The state of one connection: its association, handshake and held messages."""

    name: FlowName
    peer: str
    association: IAssociation | None = None
    revoked: bool = False
    """The association may still sign (what ends the sign-in), but nothing verifies with it."""

    stepping: bool = False
    """A step of a handshake waits for the user's secret."""

    renewing: bool = False
    """The client has begun a second handshake, and forgotten the keys of the first."""

    guest: bool = False
    """A guest has proven a key: nobody signs in here any more."""

    challenged: int = 0
    held: list[Message | Prepared] | None = None
    """Messages that wait for the new keys; None: nothing is held back."""


class _Offered(NamedTuple):
    """What a REGISTER shows of itself to one scheme."""

    authenticator: IAuthenticator
    value: str
    """The whole header value."""

    token: str | None
    """Empty: it asks for a challenge; not empty: it proves something; None: there is none."""


class Gate:
    """Authenticates requests that arrive and signs messages that leave. One per process, beside its flows.

    Args:
        authenticators: The schemes, in the order in which they are offered.
        signins: Counts failures.
        flows: The connections.
        meter: Shows what was refused.
        settings: The section [limits].
        timers: The clock.
        anonymous_gate: Admits guests.
        called_as: Knows the dialogs in which somebody was called in place of another.
    """

    log = Logger()

    def __init__(
        self,
        authenticators: Sequence[IAuthenticator],
        signins: SignIns,
        flows: IFlows,
        meter: IMeter,
        settings: Settings,
        timers: ITimers,
        anonymous_gate: AnonymousGate,
        called_as: CalledAs,
    ) -> None:
        self._called_as = called_as
        self._authenticators = {authenticator.scheme.lower(): authenticator for authenticator in authenticators}
        self._wire = flows
        self._meter = meter
        self._settings = settings
        self._timers = timers
        self._signins = signins
        self._anonymous_gate = anonymous_gate
        self._flows: dict[FlowName, _GateFlow] = {}
        self._in_time = Limit("limits.unauthenticated_s", settings.unauthenticated_s)
        self._strangers: Deadlines[FlowName] = Deadlines(timers, partial(_too_late, flows, self._in_time))
        """Connections on which nobody has signed in."""

        self._holding: Deadlines[FlowName] = Deadlines(timers, lambda flow: self._release(self._flows[flow]))
        """Connections to which what is sent waits for new keys."""

        meter.gauge(
            "lyncpy_core_unauthenticated_count",
            "Connections on which nobody has signed in.",
            lambda: float(len(self._strangers)),
        )
        meter.gauge("lyncpy_core_gate_count", "Connections that the gate knows.", lambda: float(len(self._flows)))
        self._of_users = ConnectionsPerUser(settings.connections_per_user)

    # The life of a flow.

    def opened(self, flow: FlowName, peer: str, *, secure: bool) -> None:
        """Expect somebody to sign in on a new connection, soon."""
        state = _GateFlow(flow, peer)
        self._flows[flow] = state
        self._expect_sign_in(state)

    def closed(self, flow: FlowName) -> None:
        """Forget all about a connection; unknown names are ignored."""
        state = self._flows.pop(flow, None)
        if state is None:
            return
        self._stop_expecting(state)
        if state.association is not None:
            self._of_users.remove(state.association.identity.aor, state.name)
        self._holding.clear(flow)
        for authenticator in self._authenticators.values():
            authenticator.drop_handshake(flow)
        self._anonymous_gate.closed(flow)

    def _expect_sign_in(self, state: _GateFlow) -> None:
        self._strangers.set(state.name, self._settings.unauthenticated_s)

    def _greet(self, state: _GateFlow) -> None:
        """Count a flow among the strangers no longer."""
        if self._stop_expecting(state):
            self._wire.vouch(state.name, known=True)

    def _stop_expecting(self, state: _GateFlow) -> bool:
        if state.name not in self._strangers:
            return False
        self._strangers.clear(state.name)
        return True

    def end_associations(self, aor: Aor, credentials: Container[str] | None = None) -> None:
        """End the associations of a user: they were disabled, or their password changed.

        What we still send them is signed, so that they hear why. A flow on which they do not
        sign in anew is closed after a while.

        Args:
            credentials: End those alone that one of these has opened.
        """
        for state in self._flows.values():
            found = state.association
            if found is None or state.revoked or found.identity.aor != aor:
                continue
            if credentials is None or found.credential in credentials:
                state.revoked = True
                self._expect_sign_in(state)
                self._wire.vouch(state.name, known=False)

    # What arrives.

    async def admit(self, arrival: Arrival) -> Arrival:
        """Authenticate the sender of a request, and set `arrival.who`.

        Raises:
            Refused: 401 with challenges while nobody has signed in, and to a REGISTER that
                does not verify. 403 to any other such request: real clients repeat what
                gets a 401, at once and for ever. 404, 403 or 503 with the reason why somebody
                cannot sign in. 488 to the wish for compression, from anybody: the connection
                goes on without.

        Spec: [MS-SIPAE] 3.3.5; [MS-SIPCOMP] 3.2.
        """
        state, request = self._flows.get(arrival.flow), arrival.request
        if state is None:
            raise Refused(430, Diagnostics(1006, "Error routing on client connection"))
        if request.method == "NEGOTIATE":
            # Asked before sign-in: with a challenge a client would wait for somebody to answer it for.
            raise Refused(488, Diagnostics(EXPECTED_FAILURE + 488, "Compression is not offered"))
        association, registers = state.association, request.method == "REGISTER"
        offered = self._offered(request.headers) if registers else None
        # Without keys: a guest proves theirs in each request; others may send a REGISTER alone.
        if association is None:
            if state.guest or self._anonymous_gate.expects(request):
                return self._receive(state, arrival, self._anonymous_gate)
            if not registers:
                raise self._challenge(state)
        # A REGISTER with a token belongs to a new handshake, and is not signed with the old keys.
        elif offered is None or offered.token is None:
            problem = Invalid.REVOKED if state.revoked else association.verify(request, arrival.at)
            if problem is None:
                self._check_sender(request, association.identity.aor)
                if not (registers and association.expires - arrival.at < RENEWAL_S):
                    return _proven(arrival, association)
            else:
                self._count_unverified(problem)
                if not registers:
                    raise self._unverified(state, request, problem)
        return await self._sign_in(state, arrival, offered)

    def _receive(self, state: _GateFlow, arrival: Arrival, anonymous_gate: AnonymousGate) -> Arrival:
        """Admit a request of a guest, or challenge one that has proven no key yet."""
        self._check_sender(arrival.request, aor_of(arrival.request.from_.uri))
        outcome = anonymous_gate.admit(arrival)
        if isinstance(outcome, Challenge):
            raise self._challenge(state, [outcome.value])
        self._greet(state)
        state.challenged = 0
        state.guest = True
        arrival.who = outcome
        return arrival

    def _check_sender(self, request: Request, aor: Aor) -> None:
        """Compare the user in From with the one who signed in.

        There are clients that take the first `<` for the beginning of the address, even one
        within a quoted name: a name that holds another's address would deceive them.

        Spec: [MS-SIPAE] 3.3.5; RFC 3325 §5: what the workloads read in From is asserted here.
        """
        find = partial(is_from, request, aor, self._signins.numbers_of, self._called_as)
        if not (find() if request.shared is None else request.shared.found("sender", aor, find)):
            uri = request.from_.uri
            self.log.info("{aor} sent {method} as {uri}", aor=aor, method=request.method, uri=repr(uri[:80]))
            raise Refused(403, NOT_YOU)

    def _unverified(self, state: _GateFlow, request: Request, problem: str) -> Refused:
        if state.renewing and not state.revoked:
            # The client lost its keys on purpose and repeats this until it has new ones.
            return self._challenge(state)
        self.log.info(
            "{method} on {flow} does not verify: {reason}", method=request.method, flow=state.name, reason=problem
        )
        return Refused(403, NOT_YOU)

    def accepts_response(self, flow: FlowName, response: Response) -> bool:
        """Verify a client's response; False: it is to be dropped."""
        state = self._flows.get(flow)
        if state is None or state.association is None:
            problem = None if state is not None and state.guest else Invalid.UNSIGNED
        elif state.revoked:
            problem = Invalid.REVOKED
        else:
            problem = state.association.verify(response, self._timers.now())
        if problem is None:
            return True
        self._count_unverified(problem)
        self.log.debug(
            "{status} on {flow} does not verify: {reason}", status=response.status, flow=flow, reason=problem
        )
        return False

    def _count_unverified(self, problem: str) -> None:
        self._meter.counter("lyncpy_core_unverified_total", "Messages that did not verify.", reason=problem).add()

    # The handshake.

    def _challenge(
        self, state: _GateFlow, values: Sequence[str] = (), diagnostics: Diagnostics | None = None
    ) -> Refused:
        """Refuse with 401: these values, else the first challenge of each scheme, one header field for each.

        Args:
            diagnostics: Why what the client has shown was not taken.

        Spec: [MS-SIPAE] 3.3.5; Date lets a client see that its clock is wrong.
        """
        state.challenged += 1
        if state.challenged > CHALLENGES_PER_FLOW:
            self._wire.close_flow(state.name, "too many challenges")
        values = values or [authenticator.initial() for authenticator in self._authenticators.values()]
        headers = [("Date", _date(int(self._timers.wall())))]
        return Refused(401, diagnostics, headers=headers + [("WWW-Authenticate", value) for value in values])

    async def _sign_in(self, state: _GateFlow, arrival: Arrival, offered: _Offered | None) -> Arrival:
        """Process a REGISTER that is part of a handshake."""
        request = arrival.request
        aor = aor_of(request.from_.uri)
        association = state.association
        attempt = self._signins.attempt(aor, state.peer, epid_of(request.from_.epid or ""))
        if association is None or state.revoked or association.identity.aor != aor:
            # Nobody else's guesses shut out who is signed in and renews their keys.
            self._signins.check(attempt)
        state.renewing = association is not None
        if association is not None:
            # What it heard from here on it would answer unsigned, and that could not be believed.
            self._hold(state)
        if offered is None:
            if association is None:
                self._signins.offers.offer(attempt, self._authenticators)
            raise self._challenge(state)
        if state.stepping:
            raise Refused(503, Diagnostics(1, "Another sign-in is under way"), headers=[("Retry-After", "1")])
        try:
            return await self._judge(state, arrival, attempt, offered)
        finally:
            # What came to no verdict was no guess.
            self._signins.spare(attempt)

    async def _judge(self, state: _GateFlow, arrival: Arrival, attempt: SignInAttempt, offered: _Offered) -> Arrival:
        """Make one step of the handshake, and act on its outcome."""
        if offered.token:
            # It counts from here on: many guesses at once would all pass before the first has failed.
            self._signins.count_attempt(attempt)
        scheme, state.stepping = offered.authenticator.scheme, True
        try:
            outcome = await offered.authenticator.step(arrival, offered.value)
        finally:
            state.stepping = False
        if isinstance(outcome, Challenge):
            raise self._challenge(state, [outcome.value])
        if isinstance(outcome, AuthenticationDenied):
            self._release(state)
            raise self._challenge(state, diagnostics=self._signins.failed(outcome, attempt, scheme))
        self._establish(state, outcome)
        self._signins.succeeded(attempt, scheme)
        return _proven(arrival, outcome)

    def _offered(self, headers: Headers) -> _Offered | None:
        for name in _CREDENTIALS:
            for value in headers.get_all(name):
                authenticator = self._authenticators.get(value.partition(" ")[0].lower())
                if authenticator is not None:
                    return _Offered(authenticator, value, _token_of(value))
        return None

    def _establish(self, state: _GateFlow, association: IAssociation) -> None:
        """Make this the flow's association.

        Raises:
            Refused: The flow is another user's, or closed by now.
        """
        if self._flows.get(state.name) is not state:
            raise Refused(430, Diagnostics(1006, "Error routing on client connection"))
        former = state.association
        if state.guest or (former is not None and former.identity.aor != association.identity.aor):
            self._release(state)
            raise Refused(403, NOT_YOU)
        self._greet(state)
        state.association = association
        for excess in self._of_users.add(association.identity.aor, state.name):
            self._wire.close_flow(excess, "its user has too many connections ([limits] connections_per_user)")
        state.revoked = state.renewing = False
        state.challenged = 0
        if association.owes_proof:
            # Nothing else can be believed before the answer that brings it.
            self._hold(state)
        else:
            self._release(state)

    # What leaves.

    @overload
    def seal(self, flow: FlowName, message: Message) -> Message | None: ...
    @overload
    def seal(self, flow: FlowName, message: Prepared) -> Prepared | None: ...
    def seal(self, flow: FlowName, message: Message | Prepared) -> Message | Prepared | None:
        """Sign a complete message; None: it is held back, and is sent once the client has new keys.

        Unsigned stay what is sent to strangers and guests, and any 401. Signatures that the message
        carries from another hop are removed: they would be taken for ours.

        Spec: [MS-SIPAE] 3.3.4.
        """
        state = self._flows.get(flow)
        if state is None or state.association is None:
            return message
        if isinstance(message, Response) and message.status == 401:
            return message
        # The client is between two sets of keys: all waits but provisional responses and the answers of the handshake.
        if state.held is not None:
            if not (isinstance(message, Response) and (message.status < 200 or _answers_register(message))):
                self._keep_back(state, state.held, message)
                return None
            if message.status < 200 or not state.association.owes_proof:
                return message
            # What waits follows this answer, which is not under way yet.
            self._timers.soon(partial(self._release, state, unless_renewing=True))
        if isinstance(message, Prepared):
            state.association.seal(message)
            return message
        if not _SIGNATURES.isdisjoint(message.headers.layout.keys):
            message = message.edited(drop=_SIGNATURES)
        return message.plus(last=Headers((state.association.sign(message),)))

    def _hold(self, state: _GateFlow) -> None:
        """Hold back what is sent until the client has new keys, and we too."""
        if state.held is None:
            state.held = []
            self._holding.set(state.name, HOLD_S)

    def _keep_back(self, state: _GateFlow, held: list[Message | Prepared], message: Message | Prepared) -> None:
        if len(held) < HELD_MESSAGES:
            held.append(message)
        else:
            self._wire.close_flow(state.name, "its second sign-in takes too long")

    def _release(self, state: _GateFlow, *, unless_renewing: bool = False) -> None:
        """Send what was held back, in order, signed with the association of now.

        Args:
            unless_renewing: Not to a client that has begun anew, and forgotten the keys of now.
        """
        if unless_renewing and state.renewing:
            return
        held, state.held = state.held, None
        self._holding.clear(state.name)
        for message in held or ():
            try:
                self._wire.send(state.name, message)
            except FlowGone:
                return

    @property
    def signins(self) -> SignIns:
        """The counts of failed sign-ins, with their reasons; tries over HTTP count with those over SIP."""
        return self._signins


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    """Write the second of the wall clock; many are challenged in one."""
    return formatdate(second, usegmt=True)


def _proven(arrival: Arrival, association: IAssociation) -> Arrival:
    arrival.who, arrival.proven_until = association.identity, association.expires
    return arrival


def _answers_register(response: Response) -> bool:
    """Look at the text alone: a refusal of a broken request has its broken CSeq, or none."""
    return (response.headers.get("CSeq") or "").endswith("REGISTER")


def _token_of(value: str) -> str | None:
    """Give the token in a header value as the schemes read it; None: there is none, or they cannot read it either."""
    # What is signed only, as most is that comes, need not be taken apart for this.
    if _DATA not in value.lower():
        return None
    try:
        return parse_auth(value)[1].get(_DATA)
    except RemoteProtocolError:
        return None


def _too_late(flows: IFlows, limit: Limit, flow: FlowName) -> None:
    """Close a connection on which nobody has signed in in time."""
    limit.hit()
    flows.close_flow(flow, "nobody signed in")
