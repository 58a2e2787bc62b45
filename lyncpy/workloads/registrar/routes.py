"""REGISTER, and OPTIONS to the server itself."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival, device_of
from lyncpy.contracts.facts import EndpointGoneReason
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import EPID_LONGEST, NO_EPID, Aor, Epid, FlowName, Instance, aor_of, epid_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.platform import Platform
from lyncpy.sip.headers import NameAddr, parse_delta_seconds, parse_name_addr
from lyncpy.sip.interned import interned
from lyncpy.sip.message import Request, Response, new_tag, response_to
from lyncpy.sip.prepared import PreparedResponse, Template
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.registrar import model
from lyncpy.workloads.registrar.client_filter import ClientFilter, warning
from lyncpy.workloads.registrar.keep_alive import KeepAliveWatch
from lyncpy.workloads.registrar.registrations import Registrations
from lyncpy.workloads.registrar.sending_on import BUSY_RETRY_S, LEAVING, SendingOn
from lyncpy.workloads.registrar.settings import Settings
from lyncpy.workloads.registrar.signout import SignOut, SignOutCauses

METHODS: Final = (
    "ACK, BENOTIFY, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, REFER, REGISTER, SERVICE, SUBSCRIBE, UPDATE"
)


HELD: Final = Diagnostics(4140, "The same device is signed in over another connection and does not leave", public=True)
CROWDED: Final = Diagnostics(4140, "Too many devices are signed in, and none of them leaves", public=True)

_Seen = tuple[str, str, str]

FULL: Final = Diagnostics(17000, "Server overloaded")

CONTEST_RETRY_S: Final = "30"
"""When to try again to take a place that is held: later than a holder who does not answer is found out."""


class Routes:
    """Answers REGISTER requests."""

    log = Logger()

    def __init__(
        self,
        registrations: Registrations,
        signout: SignOut,
        platform: Platform,
        flows: IFlows,
        settings: Settings,
        keep_alive_watch: KeepAliveWatch,
        clients: ClientFilter,
        sending_on: SendingOn,
    ) -> None:
        self._registrations = registrations
        self._sending_on = sending_on
        self._flows = flows
        self._clients = clients
        self._keep_alive_watch = keep_alive_watch
        self._bindings = registrations.own
        self._signout = signout
        self._people = platform.people
        self._settings = settings
        self._timers = platform.timers
        own = self._bindings
        self._limits = (
            Limit("registrar.endpoints_total", settings.endpoints_total, lambda: len(own)),
            Limit("registrar.endpoints_per_user", settings.endpoints_per_user, lambda: own.most_of_one),
        )
        self._terms = model.RegistrationTerms(
            settings.expires_s, settings.expires_minimum_s, settings.expires_maximum_s
        )

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (Route("REGISTER", self.register), Route("OPTIONS", self.options))

    async def options(self, arrival: Arrival) -> Response:
        """Answer OPTIONS with what the server understands (RFC 3261 §11.2)."""
        return response_to(
            arrival.request, 200, headers=[("Allow", METHODS), ("Accept", "*/*"), ("Supported", "gruu-10, ms-benotify")]
        )

    async def register(self, arrival: Arrival) -> Response:
        """Sign an endpoint in, keep it signed in, or sign it out.

        Raises:
            Refused: 400 (4010, 4012) without a usable endpoint identifier, 403 (4004) for
                another user's address, 301 where another server is to take the device, 403 (17002, 17003) for a client that a policy blocks, 421 (2057), 489 (4055), 503 when the table is full, or
                another client that has this place does not give it up.

        Spec: [MS-SIPREGE] 3.2, RFC 3261 §10.3.
        """
        asked = self._asked(arrival)
        aor, requested, request = asked.aor, asked.binding, arrival.request
        if requested.expires_s == 0:
            return self._sign_out(arrival, aor, requested)
        better = self._clients.check(aor, asked.agent)
        binding = self._bindings.binding(aor, requested.epid)
        if binding is None or binding.endpoint.flow != arrival.flow:
            everywhere = await self._everywhere(aor, arrival)
            binding = self._bindings.binding(aor, requested.epid)
            elsewhere = next((one for one in everywhere if one.epid == requested.epid), None)
            old, thread = (elsewhere, None) if binding is None else (binding.endpoint, binding.thread)
            self._check_server(aor, requested.epid, everywhere, arrival.flow)
            self._check_place(everywhere, aor, old, arrival.flow)
        else:
            everywhere, old, thread = (), binding.endpoint, binding.thread
            if self._sending_on.is_leaving:
                # It moves without a gap; who is told nothing here is moved by the end of their connection.
                self._sending_on.send_away(aor, requested.epid, LEAVING)
        if asked.keeps_alive:
            self._keep_alive_watch.promised(arrival.flow)
        now = self._timers.now()
        lifetime = model.granted(requested.expires_s, self._terms, arrival.proven_until - now)
        endpoint = Endpoint(
            aor=aor,
            epid=requested.epid,
            instance=requested.instance,
            gruu=asked.gruu,
            contact=requested.contact,
            flow=arrival.flow,
            user_agent=asked.agent,
            since=old.since if old is not None and old.flow == arrival.flow else now,
            expires=now + lifetime,
            address=arrival.peer,
        )
        own = thread_of(request, thread)
        contest = None
        if old is not None and binding is None:
            contest = self._registrations.contest(aor, old.epid)
            contest.taken(now)
        action = self._bindings.register(endpoint, own if request.event else None, contest)
        if action is model.RegisterAction.ADDED:
            self._after_arrival(endpoint, old if binding is not None else None, thread, everywhere)
            # From here on other nodes may ask.
            await self._registrations.written(aor)
            return self._accepted(request, endpoint, lifetime, action, own, better)
        self._registrations.renewed(endpoint)
        return self._refreshed(request, endpoint, lifetime, own, better)

    async def _everywhere(self, aor: Aor, arrival: Arrival) -> Sequence[Endpoint]:
        """Give where somebody is signed in who signs in anew.

        Raises:
            StoreUnavailable: That cannot be known now.
            Refused: 430, the connection is gone meanwhile.
        """
        everywhere = await self._registrations.endpoints(aor)
        if not self._flows.peer(arrival.flow):
            raise Refused(430, Diagnostics(1006, "Error routing on client connection"))
        return everywhere

    def _asked(self, arrival: Arrival) -> model.RegisterRequest:
        """Give what a REGISTER asks for. It need not be read again where the one before over this connection said the same."""
        request, sender, seen = arrival.request, arrival.sender.aor, _seen(arrival.request)
        find = partial(self._read, request, sender, seen)
        return find() if request.shared is None else request.shared.found("registration", (sender, seen), find)

    def _read(self, request: Request, sender: Aor, seen: _Seen) -> model.RegisterRequest:
        aor = _checked(request, sender)
        binding = read_wish(request, seen)
        return model.RegisterRequest(
            aor,
            binding,
            "" if binding.expires_s == 0 else model.gruu_of(aor, binding.instance),
            interned(request.headers.get("User-Agent") or ""),  # there are few, and many devices
            (request.headers.get("ms-keep-alive") or "").lower().lstrip().startswith("uac"),
        )

    def _check_server(self, aor: Aor, epid: Epid, everywhere: Sequence[Endpoint], flow: FlowName) -> None:
        """Refuse a device that signs in while this server leaves, and send on one that belongs, or has room, elsewhere only.

        Raises:
            Refused: With 301 or 503.
        """
        try:
            if self._sending_on.is_leaving:
                self._sending_on.send_away(aor, epid, LEAVING)
                raise Refused(503, LEAVING, headers=[("Retry-After", BUSY_RETRY_S)])
            self._sending_on.bring_together(aor, epid, everywhere)
            if len(self._bindings) >= self._settings.endpoints_total and all(one.epid != epid for one in everywhere):
                self._sending_on.send_away(aor, epid, FULL)
        except Refused as refused:
            self._signout.dismiss(flow, refused.diagnostics.reason if refused.diagnostics else "sent on")
            raise

    def _check_place(self, mine: Sequence[Endpoint], aor: Aor, old: Endpoint | None, flow: FlowName) -> None:
        """Refuse an endpoint for which the table has no room, or which contests another's place.

        There are clients that come back at once however they are told to leave. Who has the place keeps it;
        but whoever is not there any more, unnoticed so far, must not keep anybody out: they are asked.
        """
        if old is None and len(self._bindings) >= self._settings.endpoints_total:
            self._limits[0].hit()
            self.log.warn(
                "{aor} refused: all {count} endpoints of [registrar] endpoints_total are in use",
                aor=aor,
                count=len(self._bindings),
            )
            raise Refused(503, FULL, headers=[("Retry-After", "60")])
        now = self._timers.now()
        if old is not None:
            holder, contest, why = old, self._registrations.contest(aor, old.epid), HELD
        elif len(mine) >= self._settings.endpoints_per_user:
            holder, contest, why = mine[0], self._bindings.evictions(aor), CROWDED
        else:
            return
        if contest.is_on(now):
            contest.refused(now)
            self._keep_alive_watch.doubt(holder.flow)
            self._signout.dismiss(flow, "its place is held by another")
            self.log.info("{aor} refused: {reason}", aor=aor, reason=why.reason, flow=flow)
            raise Refused(503, why, headers=[("Retry-After", CONTEST_RETRY_S)])

    def _after_arrival(
        self,
        endpoint: Endpoint,
        old: Endpoint | None,
        thread: model.RegistrationDialog | None,
        everywhere: Sequence[Endpoint],
    ) -> None:
        """Tell the endpoint that a new binding replaced, and sign out the oldest ones beyond the quota.

        It has to be told: a client that is only cut off takes it for a fault of the network and comes back.
        One that comes back all the same is a matter of `_check_place`.
        """
        if old is not None and old.flow != endpoint.flow:
            self._signout.notify(old, thread, SignOutCauses.REPLACED)
        mine = [*(one for one in everywhere if one.epid != endpoint.epid), endpoint]
        for extra in mine[: max(0, len(mine) - self._settings.endpoints_per_user)]:
            self._limits[1].hit()
            self._bindings.evictions(endpoint.aor).taken(self._timers.now())
            self._signout.now(extra, SignOutCauses.QUOTA)
        self.log.info(
            "{aor} signed in from {address} as {epid}, {count} endpoints",
            aor=endpoint.aor,
            address=endpoint.address,
            epid=endpoint.epid,
            count=len(mine),
            flow=endpoint.flow,
        )

    def _sign_out(self, arrival: Arrival, aor: Aor, requested: model.RequestedBinding) -> Response:
        gone: Sequence[Endpoint]
        if requested.every:
            gone = [endpoint for endpoint in self._bindings.on(arrival.flow) if endpoint.aor == aor]
        else:
            known = self._bindings.endpoint(aor, requested.epid)
            gone = [known] if known is not None and known.flow == arrival.flow else []
        for endpoint in gone:
            self._bindings.remove(endpoint, EndpointGoneReason.SIGNED_OUT)
            self.log.info("{aor} signed out on {epid}", aor=aor, epid=endpoint.epid)
        return response_to(arrival.request, 200, headers=[("Expires", "0")])

    def _accepted(
        self,
        request: Request,
        endpoint: Endpoint,
        lifetime: int,
        action: model.RegisterAction,
        thread: model.RegistrationDialog,
        better: str,
    ) -> Response:
        """Write the 200 to a REGISTER.

        Client: each Supported token stands on a line of its own, and only the binding of
        this endpoint is listed, its UUID in lower case; otherwise the client falls back to
        an older protocol.
        """
        response = response_to(
            request,
            200,
            to_tag=parse_name_addr(thread.local).tag,
            headers=[
                ("ms-keep-alive", f"UAS; tcp=no; hop-hop=yes; end-end=no; timeout={self._settings.keep_alive_s}"),
                (
                    "Contact",
                    f'<{endpoint.contact}>;expires={lifetime};+sip.instance="<urn:uuid:{endpoint.instance}>";gruu="{endpoint.gruu}"',
                ),
                ("Expires", str(lifetime)),
                ("presence-state", f'register-action="{action.value}"'),
                ("Allow-Events", model.EVENTS_ALLOWED),
                ("Supported", "adhoclist"),
                ("Supported", "msrtc-event-categories"),
                ("Supported", "ms-keepalive-deregister"),
                *([warning(better)] if better else []),
            ],
        )
        name, sender = self._name(endpoint.aor), request.from_
        if not name:
            return response
        return response.edited(put=[("From", model.display(name, sender.uri, sender.tag or "", sender.epid or ""))])

    def _refreshed(
        self, request: Request, endpoint: Endpoint, lifetime: int, thread: model.RegistrationDialog, better: str
    ) -> Response:
        """Write the 200 to a REGISTER that renews: the same text each time, but for what names the request."""

        def find() -> Template:
            action = model.RegisterAction.REFRESHED
            accepted = self._accepted(request, endpoint, lifetime, action, thread, better)
            return Template(accepted.edited(drop=["Via"]))

        if request.shared is None:
            template = find()
        else:
            given = endpoint.contact, lifetime, thread.local, better, self._name(endpoint.aor)
            template = request.shared.found("renewed", given, find)
        return PreparedResponse(template, request.cseq.number, b"", request.vias)

    def _name(self, aor: Aor) -> str:
        person = self._people.person(aor)
        return person.display_name if person is not None else ""


def _checked(request: Request, sender: Aor) -> Aor:
    """Give for whom a REGISTER is: the sender, and nobody else."""
    aor = aor_of(request.to.uri)
    if aor != sender or aor_of(request.from_.uri) != aor:
        raise Refused(
            403, Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI", public=True)
        )
    if request.event not in ("", "registration"):
        raise Refused(489, Diagnostics(4055, "Event header of REGISTER is not registration"))
    supported = {tag.strip().lower() for line in request.headers.get_all("Supported") for tag in line.split(",")}
    if "msrtc-event-categories" in supported and "gruu-10" not in supported:
        raise Refused(421, Diagnostics(2057, "gruu-10 extension required"), headers=[("Require", "gruu-10")])
    return aor


def _seen(request: Request) -> _Seen:
    """Give the place that a request came from, and the name of its connection; the wire wrote it on its Via, see `Request.mark`."""
    if "Via" not in request.headers:
        return "", "", ""
    get = request.via.params.get
    return get("received", ""), get("ms-received-port", ""), get("ms-received-cid", "")


def read_wish(request: Request, seen: _Seen) -> model.RequestedBinding:
    """Parse the binding that a REGISTER asks for.

    Args:
        seen: See `_seen`.

    Raises:
        Refused: 400 with 4010 or 4012; a Contact that is not there.
    """
    fields = request.headers.get_all("Contact")
    if [text.strip() for text in fields] == ["*"]:
        return model.RequestedBinding(NO_EPID, Instance(""), "", 0, every=True)
    contacts = request.contacts
    expires = request.expires
    epid = request.from_.epid or ""
    if not contacts:
        if expires == 0 and epid:
            return model.RequestedBinding(epid_of(_checked_epid(epid)), Instance(""), "", 0)
        raise Refused(400, Diagnostics(4010, "Missing Contact"))
    contact = contacts[0]
    uri = _contact(contact, seen)
    name, instance = device_of(request)
    if not epid and not instance:
        raise Refused(400, Diagnostics(4010, "Missing endpoint identifier"))
    own = contact.get("expires")
    if own:
        expires = parse_delta_seconds(own)
    _checked_epid(epid or name)
    return model.RequestedBinding(name, instance or model.derived_instance(name), uri, expires)


def thread_of(request: Request, known: model.RegistrationDialog | None) -> model.RegistrationDialog:
    """Give the dialog that the 200 to a REGISTER makes, which is the one that is `known` if the client goes on in it."""
    call_id, remote, is_within = request.call_id, request.headers.get("From") or "", request.to.tag is not None
    if known is not None and not is_within and known.goes_on_in(call_id, remote):
        return known
    to = request.headers.get("To") or ""
    return model.RegistrationDialog(call_id, remote, to if is_within else f"{to};tag={new_tag()}")


def _contact(contact: NameAddr, seen: _Seen) -> str:
    """Give the URI under which a client is to be known: as it wrote it, or as it is seen from here if it asks for that."""
    parse_uri(contact.uri)  # what is sent to this endpoint will begin with it
    address, port, cid = seen
    if (contact.get("proxy") or "").lower() != "replace" or not port.isdigit():
        return contact.uri
    return model.replaced(contact.uri, address, int(port), cid)


def _checked_epid(text: str) -> str:
    if len(text) > EPID_LONGEST:
        raise Refused(400, Diagnostics(4012, "Epid too long"))
    if not (text.isascii() and text.isalnum()):
        raise Refused(400, Diagnostics(4010, "Missing endpoint identifier"))
    return text
