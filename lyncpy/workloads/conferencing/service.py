"""The life of conferencing."""

from zope.interface import implementer

from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import IWorkload, Offer, Provision
from lyncpy.sip.markup import escape
from lyncpy.workloads.conferencing.routes import FACTORY, Routes
from lyncpy.workloads.conferencing.settings import Settings


@implementer(IWorkload)
class Conferencing:
    """Tells clients that no conference can be held yet."""

    name = "conferencing"

    def __init__(self, settings: Settings) -> None:
        """Build the rooms."""
        provisions = (Provision("ServerConfiguration", _factory_uri),) if settings.announced else ()
        self.offer = Offer(self.name, routes=Routes().rows(), provisions=provisions)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""


def _factory_uri(aor: Aor) -> str:
    """Say where a user's focus factory is. Spec: [MS-CONFBAS] 2.2.1."""
    return f"<focusFactoryUri>{escape(f'{aor};gruu;opaque={FACTORY}')}</focusFactoryUri>"
