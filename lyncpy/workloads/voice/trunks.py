"""Telephones outside of the house: the seam at which gateways come in."""

from typing import Final, Protocol

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.core.forward import ForkResult, OnEarly, Retargeting
from lyncpy.workloads.voice.model.outbound import NumberRouting

NO_GATEWAY: Final = Diagnostics(
    12004, "The call goes on to a telephone, and no gateway is connected that could reach it"
)


class Leg(Protocol):
    """One call to somebody who is rung, before and after it is answered; a `Fork` is one."""

    async def run(self) -> ForkResult:
        """Ring, and give the final answer. Called once."""

    def give_up(self, reason: str | None = None) -> None:
        """End the ringing; may be called at any time, and changes nothing once it is answered."""

    def hang_up(self) -> None:
        """End a call that was answered and is not wanted."""


class Trunks(Protocol):
    """Calls telephones."""

    def leg(self, arrival: Arrival, decision: NumberRouting, retargeting: Retargeting, on_early: OnEarly | None) -> Leg:
        """Prepare a call to a number that has a way out of the house; `run` begins it.

        Args:
            arrival: The INVITE of the caller.
            decision: The attempts, by the policy of whom the call is forwarded by.
            retargeting: Which headers say so.

        Raises:
            Refused: 403 (12004), there is nothing that could carry it.
        """


class NoTrunks:
    """No gateway is connected."""

    def leg(self, arrival: Arrival, decision: NumberRouting, retargeting: Retargeting, on_early: OnEarly | None) -> Leg:
        """Refuse."""
        raise Refused(403, NO_GATEWAY)
