"""What rings when a user is called: the promise of the voice workload to whoever passes calls on."""

from collections.abc import Coroutine
from typing import Any, Protocol

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor
from lyncpy.core.forward import ForkResult, OnEarly
from lyncpy.sip.message import Response


class CallHandling(Protocol):
    """Has calls ring as those want it who are called."""

    def outward(self, arrival: Arrival) -> Coroutine[Any, Any, Response] | None:
        """Call a telephone out of the house, and give the answer; None: the INVITE is not for one, or no gateway could call it.

        What is said in the call is no affair of the caller's of this.

        Raises:
            RemoteProtocolError: 400; it says that it is for a number, and is not.
        """

    def ring(self, arrival: Arrival, called: Aor, on_early: OnEarly | None) -> Coroutine[Any, Any, ForkResult]:
        """Ring by the rules of the user who is called, until somebody accepts or all have refused.

        Args:
            arrival: An INVITE with audio or video to a user, not to one of their devices.
            called: Who is called; they exist.
            on_early: Hears of each early dialog.

        Raises:
            Refused: 480, nobody is to be reached, or the caller is blocked; 403 (4004), they may not call in the name of
                whom they say; 400 (13003), a header about the call cannot be read; 483, it has been passed on too often.
        """
