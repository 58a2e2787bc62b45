"""The life of monitoring."""

from collections.abc import Callable

from zope.interface import implementer

from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.records import IRecords
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.workloads.monitoring.calldetail import CallDetail
from lyncpy.workloads.monitoring.commands import Commands
from lyncpy.workloads.monitoring.routes import Routes
from lyncpy.workloads.monitoring.settings import Settings


@implementer(IWorkload)
class Monitoring:
    """Shows what goes on, and keeps what clients report."""

    name = "monitoring"

    def __init__(
        self,
        store: IStore,
        records: IRecords,
        flows: IFlows,
        locator: ILocator,
        meters: Callable[[], bytes],
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Build the rooms."""
        routes = Routes(store, settings, timers)
        self.offer = Offer(
            self.name,
            routes=routes.rows(),
            commands=(
                *Commands(store, flows, locator, meters, timers).words(),
                *CallDetail(records, locator, timers).words(),
            ),
        )

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""
