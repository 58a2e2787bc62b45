"""Who shows a token over HTTPS: a holder, or somebody who has to wait after too many wrong ones."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil

from twisted.logger import Logger

from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.limits import Throttle
from lyncpy.workloads.admin.tokens import TokenHolder


@dataclass(frozen=True, slots=True)
class WrongTokens:
    """How tries with wrong tokens of one network are slowed down."""

    tries_window_s: float = 3600.0
    tries_delay_s: float = 1.0
    tries_delay_maximum_s: float = 60.0
    tries_remembered: int = 10_000
    allowed: int = 10


class TokenRefused(Exception):
    """An answer that is no command's."""

    def __init__(self, status: int, kind: str, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.headers = headers


class TokenDoor:
    """Lets holders of tokens in, wherever they show them.

    Args:
        holder: Gives who holds a token.
        timers: The clock.
    """

    log = Logger()

    def __init__(self, holder: Callable[[str], Awaitable[TokenHolder | None]], timers: ITimers) -> None:
        self._holder = holder
        self._timers = timers
        rules = WrongTokens()
        self._tries = Throttle(rules, rules.allowed, "admin.token_tries")
        self._wrong = Complaint(timers)

    def check_wait(self, peer: str) -> None:
        """Refuse who has to wait.

        Raises:
            Refusal: 429, there were too many wrong tokens from there.
        """
        wait_s = self._tries.wait(network_of(peer), self._timers.now())
        if wait_s > 0:
            raise TokenRefused(
                429, "forbidden", "too many wrong tokens from there; wait", ("Retry-After", str(ceil(wait_s)))
            )

    async def holder(self, token: str, peer: str) -> TokenHolder | None:
        """Give who holds a token; None, when nobody does, which is counted.

        Raises:
            Refusal: 429, there were too many wrong ones from there; 503, none can be looked up.
        """
        self.check_wait(peer)
        try:
            found = await self._holder(token.strip())
        except WorldUnavailable as error:
            raise TokenRefused(503, "unavailable", f"not possible now: {error}", ("Retry-After", "30")) from error
        if found is None:
            self.count_wrong(peer)
        return found

    def count_wrong(self, peer: str) -> None:
        """Count something wrong that was shown from there."""
        place = network_of(peer)
        self._tries.count_failure(place, self._timers.now(), place)
        if self._wrong.happened():
            self.log.warn(
                "a wrong operator's token was shown from {address}, {count} in all",
                address=peer,
                count=self._wrong.total,
            )
