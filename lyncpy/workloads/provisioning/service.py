"""The life of provisioning."""

from collections.abc import Callable, Sequence

from zope.interface import implementer

from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.workload import IWorkload, Offer, Provision
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.provisioning.provisions import provisions
from lyncpy.workloads.provisioning.routes import Routes
from lyncpy.workloads.provisioning.settings import Settings


@implementer(IWorkload)
class Provisioning:
    """Tells clients at sign-in what they need to know."""

    name = "provisioning"

    def __init__(
        self,
        gathered: Callable[[], Sequence[Provision]],
        policies: IPolicies,
        notifier: Notifier,
        settings: Settings,
        *,
        guests: bool = True,
    ) -> None:
        """Build the rooms.

        Args:
            gathered: Gives the provisions of all offers, these among them.
            policies: What users may.
            notifier: Keeps the subscriptions.
            settings: The section's.
            guests: Whether meetings may have guests at all.
        """
        routes = Routes(gathered, notifier, settings)
        self.offer = Offer(self.name, routes=routes.rows(), provisions=provisions(settings, policies, guests=guests))

    async def open(self) -> None:
        """Nothing to open: clients come by themselves."""

    async def close(self) -> None:
        """Nothing to close: subscriptions belong to the hall."""
