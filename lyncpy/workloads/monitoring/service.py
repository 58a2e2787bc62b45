"""The life of monitoring."""

from collections.abc import Callable

from zope.interface import implementer

from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.monitoring.calldetail import CallDetail
from lyncpy.workloads.monitoring.commands import Commands
from lyncpy.workloads.monitoring.history import Sampler
from lyncpy.workloads.monitoring.routes import Routes
from lyncpy.workloads.monitoring.settings import Settings


@implementer(IWorkload)
class Monitoring:
    """The workload: shows connections, meters and call detail, and keeps what clients report.

    Args:
        platform, signaling: The server's.
        meters: Gives all meters as OpenMetrics text.
        settings: The section [monitoring].
    """

    name = "monitoring"

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        meters: Callable[[], bytes],
        settings: Settings,
    ) -> None:
        store, locator, timers = platform.store, platform.locator, platform.timers
        routes = Routes(store, settings, timers)
        self._sampler = Sampler(platform.meter, timers)
        self.offer = Offer(
            self.name,
            routes=routes.rows(),
            commands=(
                *Commands(store, signaling.flows, locator, meters, timers).words(),
                *self._sampler.words(),
                *CallDetail(platform.records, locator, platform.owners, timers).words(),
            ),
        )

    async def open(self) -> None:
        """Begin to take samples."""
        self._sampler.open()

    async def close(self) -> None:
        """Take none any more."""
        self._sampler.close()
