"""The registrar's life."""

from typing import Final

from zope.interface import implementer

from lyncpy.contracts.bus import IListening
from lyncpy.contracts.facts import (
    EndpointArrived,
    EndpointGone,
    EndpointGoneReason,
    FlowClosed,
    FlowSilent,
    PersonChanged,
)
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.nodes import INodePlaces
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.deadline import Deadlines
from lyncpy.core.node_drain import MOVED
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.registrar.client_filter import ClientFilter
from lyncpy.workloads.registrar.commands import Commands
from lyncpy.workloads.registrar.endpoint_records import KIND
from lyncpy.workloads.registrar.keep_alive import KeepAliveWatch
from lyncpy.workloads.registrar.registrations import Registrations
from lyncpy.workloads.registrar.routes import Routes
from lyncpy.workloads.registrar.sending_on import SendingOn
from lyncpy.workloads.registrar.settings import Settings
from lyncpy.workloads.registrar.signout import SignOut, SignOutCauses

MOVE_S: Final = 5.0
"""How long a device stays signed in whose connection this server has closed for it to find another one."""


@implementer(IWorkload)
class Registrar:
    """The workload: sign-in and sign-out; keeps the table of endpoints.

    Args:
        platform, signaling: The server's.
        registrations: Who is signed in where, made before because others read it as `ILocator`.
        settings: The section [registrar].
        places: Where other servers are.
        brings_together: Whether a user's devices are brought together at one of them.
    """

    name = "registrar"

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        registrations: Registrations,
        settings: Settings,
        places: INodePlaces,
        *,
        brings_together: bool,
    ) -> None:
        flows, outbound, people, timers = signaling.flows, signaling.outbound, platform.people, platform.timers
        self._registrations = registrations
        self._bindings = bindings = registrations.own
        self._bus = platform.bus
        platform.sweep.cover(platform.volatile, KIND, registrations.records, EndpointArrived, EndpointGone)
        self._signout = SignOut(registrations, outbound, flows, timers)
        self._listening: list[IListening] = []
        self._moving: Deadlines[FlowName] = Deadlines(timers, self._has_gone)
        """Connections that this server has closed to leave: whoever had them is signed in for as long as they may need to come back."""

        platform.meter.gauge("lyncpy_registrar_endpoints_count", "Devices signed in here.", bindings.__len__)
        platform.meter.gauge(
            "lyncpy_registrar_people_count", "People with a device signed in here.", lambda: bindings.people_count
        )
        self._keep_alive_watch = KeepAliveWatch(bindings, outbound, flows, timers, keep_alive_s=settings.keep_alive_s)
        clients = ClientFilter(platform.policies)
        watch = self._keep_alive_watch
        routes = Routes(
            registrations,
            self._signout,
            platform,
            flows,
            settings,
            watch,
            clients,
            SendingOn(places, platform.node, timers, brings_together=brings_together),
        )
        commands = Commands(registrations, self._signout, people, flows, timers, clients)
        self.offer = Offer(self.name, routes=routes.rows(), commands=commands.words(), reasons=(commands.why,))

    async def open(self) -> None:
        """Listen for connections that end and of people who may not sign in any more."""
        self._registrations.open()
        self._listening = [
            self._bus.listen(EndpointGone, self._signout.leave, self._registrations.known_of),
            self._bus.listen(FlowClosed, self._flow_closed),
            self._bus.listen(FlowSilent, self._flow_silent),
            self._bus.listen(PersonChanged, self._person_changed),
        ]

    async def close(self) -> None:
        """Stop listening."""
        self._keep_alive_watch.close()
        self._moving.clear_all()
        self._registrations.close()
        for listening in self._listening:
            listening.stop()

    def _flow_silent(self, fact: FlowSilent) -> None:
        """Ask a client whether it is there."""
        self._keep_alive_watch.doubt(fact.flow)

    def _flow_closed(self, fact: FlowClosed) -> None:
        self._keep_alive_watch.unwatch(fact.flow)
        if fact.reason == MOVED and self._bindings.on(fact.flow):
            self._moving.set(fact.flow, MOVE_S)
        else:
            self._has_gone(fact.flow)

    def _has_gone(self, flow: FlowName) -> None:
        self._bindings.drop_flow(flow, EndpointGoneReason.CONNECTION_LOST)

    def _person_changed(self, fact: PersonChanged) -> None:
        if not fact.may_stay:
            for endpoint in self._bindings.endpoints_of(fact.aor):
                self._signout.now(endpoint, SignOutCauses.DISABLED)
