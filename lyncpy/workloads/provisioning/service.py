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
        self, gathered: Callable[[], Sequence[Provision]], policies: IPolicies, notifier: Notifier, settings: Settings
    ) -> None:
        """Build the rooms; `gathered` gives the provisions of all offers, these among them."""
        routes = Routes(gathered, notifier, settings)
        self.offer = Offer(self.name, routes=routes.rows(), provisions=provisions(settings, policies))

    async def open(self) -> None:
        """Nothing to open: clients come by themselves."""

    async def close(self) -> None:
        """Nothing to close: subscriptions belong to the hall."""
