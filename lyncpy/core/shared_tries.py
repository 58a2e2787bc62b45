"""Failed sign-ins of all processes of a deployment: whoever guesses comes to one of them now, and to another next.

What is told is what each counts by itself: as whom, from where, with which device. A fact that is lost is one try that is not
counted elsewhere; the process that saw it has it.
"""

from collections.abc import Callable

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.facts import SignInFailed, SignInForgiven
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.tries import SignInAttempt, SignInTries, UserAtPlace


@implementer(IUnit)
class SharedTries:
    """Tells others of what failed here, and counts what they tell.

    Args:
        node: This process.
        tries: Counts.
    """

    name = "tries"

    def __init__(self, node: NodeName, tries: SignInTries, bus: IBus, timers: ITimers) -> None:
        self._node = node
        self._tries = tries
        self._bus = bus
        self._timers = timers
        self._listening: tuple[IListening, ...] = ()

    async def open(self) -> None:
        """Listen for failures at other processes."""
        self._listening = (
            self._bus.listen(SignInFailed, self._failed),
            self._bus.listen(SignInForgiven, self._forgiven),
        )

    async def close(self) -> None:
        """Stop listening."""
        for listening in self._listening:
            listening.stop()

    def failed(self, attempt: SignInAttempt, account: str, *, is_account_user: bool) -> None:
        """Tell of a try that was counted here.

        Args:
            account: Whose password was guessed under another name; "": nobody's.
            is_account_user: Whether somebody has that account.
        """
        pair = attempt.pair
        self._bus.tell(
            SignInFailed(
                self._node,
                pair.name,
                pair.place,
                pair.device,
                account,
                is_user=attempt.is_user,
                is_account_user=is_account_user,
                is_relayed=attempt.is_relayed,
            )
        )

    def forgiven(self, attempt: SignInAttempt) -> None:
        """Tell that somebody has signed in after failures."""
        self._bus.tell(SignInForgiven(self._node, *attempt.pair))

    def note(self, aor: Aor, words: Callable[[], str]) -> None:
        """Tell whoever traces a user what became of their try, here."""
        self._bus.note(words, aor)

    def _failed(self, fact: SignInFailed) -> None:
        if fact.node == self._node:
            return  # it is counted
        now, pair = self._timers.now(), UserAtPlace(fact.name, fact.place, fact.device)
        self._tries.failed_elsewhere(pair, now, is_user=fact.is_user, is_relayed=fact.is_relayed)
        if fact.account:
            self._tries.guessed(UserAtPlace(fact.account, fact.place), now, is_user=fact.is_account_user)

    def _forgiven(self, fact: SignInForgiven) -> None:
        if fact.node != self._node:
            self._tries.forgiven_elsewhere(UserAtPlace(fact.name, fact.place, fact.device))
