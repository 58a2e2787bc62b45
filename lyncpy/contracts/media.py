"""What moves the sound of calls: engines beside the server, which are told where the ends of a call are."""

from collections.abc import Sequence
from dataclasses import dataclass

from zope.interface import Attribute, Interface

from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.media.model.forms import LegFigures, RemoteLeg


class MediaUnavailable(WorldUnavailable):
    """No engine can do it now; the text says why, for an operator."""


@dataclass(frozen=True, slots=True)
class LegTerms:
    """What one leg of a call is to be."""

    faces_clients: bool
    """At the address that clients reach; else at that which gateways reach."""

    ice: bool = False
    secure: bool = False
    controlling: bool = False


class IMediaListener(Interface):
    """Hears what happens in a call."""

    def reached(leg: int) -> None:
        """Hear that ICE of a leg has found its other end."""

    def dialled(leg: int, digit: str) -> None:
        """Hear that the other end of a leg has dialled a digit."""

    def lost(reason: str) -> None:
        """Hear that the call is over, in words for an operator: the engine has given it up, or is gone itself. Nothing comes after it."""


class IMediaCall(Interface):
    """A call that an engine has; whoever began it ends it, unless its listener has heard that it is lost."""

    local = Attribute("What the other ends have to know: a `LocalLeg` for each leg, in order.")

    async def connect(leg: int, remote: RemoteLeg) -> None:
        """Say what the other end of a leg is; with the last one sound begins to pass.

        Raises:
            MediaUnavailable: The engine declines it, and says why, or the call is lost.
        """

    async def figures() -> Sequence[LegFigures]:
        """Count what has passed each leg so far.

        Raises:
            MediaUnavailable: The call is lost.
        """

    async def hang_up() -> Sequence[LegFigures]:
        """End it, and give the last figures; none, where the call is lost already."""


class IMediaEngines(Interface):
    """All engines."""

    async def begin(legs: Sequence[LegTerms], listener: IMediaListener) -> IMediaCall:
        """Have the engine that has fewest calls begin one; if that fails, the next.

        Raises:
            MediaUnavailable: None can.
        """
