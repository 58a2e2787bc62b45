"""The life of provisioning."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from zope.interface import implementer

from lyncpy.contracts.bus import IListening
from lyncpy.contracts.facts import PoliciesChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import IWorkload, Offer, Provision
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.provisioning.provisions import provisions
from lyncpy.workloads.provisioning.routes import Routes
from lyncpy.workloads.provisioning.settings import Settings


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Web services of which clients are told; "" for those that are not there."""

    search: str
    photos: str


@implementer(IWorkload)
class Provisioning:
    """The workload: tells clients at sign-in what they need to know.

    Args:
        platform, signaling: The server's.
        offered: What other workloads tell clients.
        settings: The section's.
        mcus: Types of MCU that meetings have.
        guests: Whether meetings may have guests at all.
        urls: Where clients find what else there is for them.
        calls: Gives which rules for calls to them a user may set, by the names of the group ucPolicy.
    """

    name = "provisioning"

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        offered: Sequence[Provision],
        settings: Settings,
        *,
        mcus: Collection[str],
        guests: bool,
        urls: ServiceUrls,
        calls: Callable[[Aor], Mapping[str, str]],
    ) -> None:
        own = provisions(
            settings,
            platform.policies,
            mcus=mcus,
            guests=guests,
            search_url=urls.search,
            photos_url=urls.photos,
            calls=calls,
        )
        self._routes = Routes((*own, *offered), signaling.notifier, settings, platform.timers)
        self._bus = platform.bus
        self._listening: tuple[IListening, ...] = ()
        self.offer = Offer(self.name, routes=self._routes.rows(), provisions=own)

    async def open(self) -> None:
        """Listen for changes of policies; clients come by themselves."""
        self._listening = (self._bus.listen(PoliciesChanged, self._routes.policies_changed),)

    async def close(self) -> None:
        """Stop listening; subscriptions belong to the notifier."""
        for listening in self._listening:
            listening.stop()
