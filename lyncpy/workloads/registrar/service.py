"""The registrar's life."""

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import FlowClosed, PersonChanged
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.workloads.registrar.bindings import Bindings
from lyncpy.workloads.registrar.commands import Commands
from lyncpy.workloads.registrar.routes import Routes
from lyncpy.workloads.registrar.settings import Settings
from lyncpy.workloads.registrar.signout import Causes, SignOut
from lyncpy.workloads.registrar.vigil import Vigil


@implementer(IWorkload)
class Registrar:
    """Sign-in and sign-out; keeps the table of endpoints."""

    name = "registrar"

    def __init__(
        self,
        bindings: Bindings,
        bus: IBus,
        outbound: IOutbound,
        flows: IFlows,
        people: IPeople,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Build the rooms; assembly makes the table first, because others read it as `ILocator`."""
        self._bindings = bindings
        self._bus = bus
        self._signout = SignOut(bindings, outbound, flows, timers)
        self._listening: list[IListening] = []
        self._vigil = Vigil(bindings, outbound, flows, timers, keep_alive_s=settings.keep_alive_s)
        routes = Routes(bindings, self._signout, people, flows, settings, timers, self._vigil)
        commands = Commands(bindings, self._signout, people, flows, timers)
        self.offer = Offer(self.name, routes=routes.rows(), commands=commands.words(), reasons=(commands.why,))

    async def open(self) -> None:
        """Hear of connections that end and of people who may not sign in any more."""
        self._vigil.open()
        self._listening = [
            self._bus.listen(FlowClosed, self._flow_closed),
            self._bus.listen(PersonChanged, self._person_changed),
        ]

    async def close(self) -> None:
        """Hear no more."""
        self._vigil.close()
        for listening in self._listening:
            listening.stop()

    def doubt(self, flow: FlowName) -> None:
        """Ask a client whether it is there: it has not answered something else in time."""
        self._vigil.doubt(flow)

    async def _flow_closed(self, fact: FlowClosed) -> None:
        self._vigil.forget(fact.flow)
        self._bindings.drop_flow(fact.flow, "connection lost")

    async def _person_changed(self, fact: PersonChanged) -> None:
        if fact.person is None or not fact.person.enabled:
            for endpoint in self._bindings.of(fact.aor):
                self._signout.now(endpoint, Causes.DISABLED)
