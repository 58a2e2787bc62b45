"""The life of provisioning."""

from collections.abc import Collection, Sequence

from zope.interface import implementer

from lyncpy.contracts.bus import IListening
from lyncpy.contracts.facts import PoliciesChanged
from lyncpy.contracts.workload import IWorkload, Offer, Provision
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.provisioning.provisions import provisions
from lyncpy.workloads.provisioning.routes import Routes
from lyncpy.workloads.provisioning.settings import Settings


@implementer(IWorkload)
class Provisioning:
    """The workload: tells clients at sign-in what they need to know.

    Args:
        platform, signaling: The server's.
        offered: What other workloads tell clients.
        settings: The section's.
        mcus: Types of MCU that meetings have.
        guests: Whether meetings may have guests at all.
        search_url: Where clients search for people over HTTPS; "": nowhere.
        photos_url: Where they get photos; "": nowhere.
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
        search_url: str,
        photos_url: str,
    ) -> None:
        own = provisions(
            settings, platform.policies, mcus=mcus, guests=guests, search_url=search_url, photos_url=photos_url
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
