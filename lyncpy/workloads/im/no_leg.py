"""The leg of whoever was in a chat and is there no more, where another node has gone on with it."""

from collections.abc import Sequence

from zope.interface import implementer

from lyncpy.contracts.mcu import DeliveryFailure, Hear, ILeg, IMessage
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.workloads.im.model.room import LOST


@implementer(ILeg)
class NoLeg:
    """Nothing is asked of it."""

    address = ""
    flow = FlowName("")

    def deliver(self, message: IMessage, hear: Hear) -> None:
        """Fail."""
        hear(LOST)

    def probe(self, hear: Hear) -> None:
        """Fail."""
        hear(LOST)

    def types(self, author: Aor, body: bytes) -> None:
        """Nobody sees it."""

    def report(self, number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Nobody is told."""

    def hang_up(self, reason: str | None) -> None:
        """Nobody is there."""
