"""Arrival → route, or refusal. A table: nothing here branches on a method.

A request is *ours* when its Request-URI names the domain, this server or an application of
it (`opaque=app:…`), or when its method is one that asks the server about a user (SUBSCRIBE,
SERVICE); then the most specific row of the workloads' routes answers. Everything else is
for a user's endpoints and goes to the row that forwards.

What goes on in a dialog whose route names another node is answered there; and what is about something that has one home, by
that (`core/homes.py`).
"""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Final, Protocol

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import NodeName, domain_of
from lyncpy.contracts.nodes import IHomed
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.homes import MOVED, ONCE, Homes
from lyncpy.core.relay import NodeGone, NodeUnreachable
from lyncpy.sip.headers import parse_name_addr, split_list
from lyncpy.sip.message import Request, Response
from lyncpy.sip.uri import Uri, parse_uri

FORWARD: Final = "*"
"""The method of the one route that forwards what is for another user."""

_STATE: Final = "state:"


def route_of(contact: str, node: NodeName) -> str:
    """Give the URI of a Record-Route: a dialog's later requests have it in Route, and so name the node that has the dialog.

    Args:
        contact: The server's own, which is the same for all nodes.
    """
    return f"{contact};opaque={_STATE}{node};lr"


class RelayForRouter(Protocol):
    """What the router needs of the relay."""

    async def ask(self, node: NodeName, arrival: Arrival) -> Response | None:
        """Have another node answer; raise NodeUnreachable."""


class Router:
    """The routes of all workloads, indexed once.

    Args:
        domains: The SIP domains that are ours.
        hosts: Names and addresses of this server (host or host:port).
        node: This node.
        relay: Has other nodes answer.
        homes: Finds the homes of what has one; None: there are no other nodes.
    """

    def __init__(
        self,
        domains: Collection[str],
        hosts: Collection[str],
        node: NodeName,
        relay: RelayForRouter,
        homes: Homes | None,
    ) -> None:
        self._node = node
        self._relay = relay
        self._homes = None if homes is None or homes.is_alone else homes
        self._homed: list[IHomed] = []
        self._domains = frozenset(domain_of(domain) for domain in domains)
        self._hosts = frozenset(domain_of(host) for host in hosts)
        self._rows: dict[tuple[str, str | None, str | None], list[Route]] = {}
        self._about_users: set[str] = set()
        self._forward: Route | None = None

    def add_routes(self, routes: Iterable[Route]) -> None:
        """Add a workload's routes; two equal ones are a mistake in assembly."""
        for route in routes:
            if route.method == FORWARD:
                if self._forward is not None:
                    raise ValueError("two routes forward")
                self._forward = route
                continue
            rows = self._rows.setdefault((route.method, route.event, route.content), [])
            if any(row.app == route.app for row in rows):
                raise ValueError(f"two routes for {route.method} {route.event} {route.content} {route.app}")
            rows.append(route)
            if route.app is None and (route.event or route.content):
                self._about_users.add(route.method)
            rows.sort(key=lambda row: -len(row.app or ""))

    def add_homed(self, homed: Iterable[IHomed]) -> None:
        """Add what has one home each, of one workload."""
        self._homed += homed

    def choose(self, arrival: Arrival) -> Route:
        """Find the route of a request.

        Raises:
            Refused: 404 for a domain or service that is not ours, 405, 415 or 489 for a
                request to us that nobody answers.
        """
        request = arrival.request
        if request.shared is None:
            return self._choose(request)
        return request.shared.found("route", self, partial(self._choose, request))

    def choose_here(self, arrival: Arrival) -> Route:
        """Find the route of a request that is to be answered here, whichever home it names. Raises as `choose` does."""
        return self._choose_here(arrival.request)

    def _choose(self, request: Request) -> Route:
        home = home_of(request)
        if home is None or home == self._node:
            return self._choose_here(request)
        return Route(request.method, partial(self._answer_at, home))

    async def _answer_at(self, home: NodeName, arrival: Arrival) -> Response | None:
        """Have another node answer; where it is no more, whoever has the sender's connection goes on."""
        try:
            response = await self._relay.ask(home, arrival)
        except NodeUnreachable:
            response = None
        except NodeGone:
            if arrival.request.method in ONCE:
                raise
            response = None
        else:
            if response is None or response.status != MOVED:
                return response
        return await self._choose_here(arrival.request).answer(arrival)

    def _choose_here(self, request: Request) -> Route:
        uri = request.target
        app = _app(uri)
        if app is not None or self._is_ours(uri, request.method):
            return self._at_home(request, app, self._answering(request, app))
        # Within a dialog the Request-URI is whatever Contact the peer gave; the session says who that is.
        if uri.scheme in ("sip", "sips") and domain_of(uri.host) not in self._domains and not request.to.tag:
            raise Refused(404, Diagnostics(1005, "Cannot route to destination domain"))
        if self._forward is None:
            raise Refused(404, Diagnostics(1003, "User does not exist"))
        return self._forward

    def _at_home(self, request: Request, app: str | None, route: Route) -> Route:
        """Give the route that has a request answered by the home of what it is about, if that has one."""
        if self._homes is None or app is None:
            return route
        for homed in self._homed:
            if app.startswith(homed.app) and (key := homed.key_of(request.uri)):
                return Route(route.method, partial(self._homes.answer, homed, key, route.answer))
        return route

    def _is_ours(self, uri: Uri, method: str) -> bool:
        host = domain_of(uri.host)
        if uri.user is None:
            return host in self._domains or host in self._hosts or f"{host}:{uri.port}" in self._hosts
        # SUBSCRIBE and SERVICE are questions to the server about a user, whoever they are; what a
        # workload may tell is its own affair. Dialogs between users are forwarded.
        return host in self._domains and method in self._about_users

    def _answering(self, request: Request, app: str | None) -> Route:
        method, event, content = request.method, request.event or None, request.content_type or None
        for key in ((method, event, content), (method, event, None), (method, None, content), (method, None, None)):
            for route in self._rows.get(key, ()):
                if (route.app is None) == (app is None) and (app or "").startswith(route.app or ""):
                    return route
        raise self._nobody(request, app)

    def _nobody(self, request: Request, app: str | None) -> Refused:
        if app is not None:
            return Refused(404, Diagnostics(4007, "Resource is unknown in this deployment"))
        methods = {method for method, _, _ in self._rows}
        if request.method not in methods:
            return Refused(405, headers=[("Allow", ", ".join(sorted(methods)))])
        if request.event:
            events = sorted({event for method, event, _ in self._rows if method == request.method and event})
            return Refused(489, headers=[("Allow-Events", ",".join(events))])
        types = sorted({content for method, _, content in self._rows if method == request.method and content})
        return Refused(
            415,
            Diagnostics(4013, "Content-type does not match the expected content-type"),
            headers=[("Accept", ", ".join(types))],
        )


def home_of(request: Request) -> NodeName | None:
    """Give the node that the route of a dialog names; None: it names none, or there is no dialog yet."""
    route = request.headers.get("Route") if request.to.tag else None
    if route is None or _STATE not in route.lower():
        return None
    opaque = parse_uri(parse_name_addr(split_list(route)[0]).uri).opaque
    return NodeName(opaque[len(_STATE) :]) if opaque.lower().startswith(_STATE) else None


def _app(uri: Uri) -> str | None:
    """Give the application that a GRUU of the server names, if any ([MS-CONFBAS] 2.2.1; `srvr:` for services)."""
    opaque = uri.opaque.lower()
    return opaque if opaque.startswith(("app:", "srvr:")) else None
