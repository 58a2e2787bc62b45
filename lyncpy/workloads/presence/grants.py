"""How long subscriptions to presence are granted: never all for the same time."""

import secrets
from collections.abc import Callable
from typing import Any, Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.message import Response
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.settings import Settings

_SPREAD: Final = 6
"""A granted lifetime differs from the setting, or falls short of what was asked, by up to this fraction of it."""


_LISTED: Final = (("Require", "eventlist"),)
"""Spec: RFC 4662 §4.1; [MS-PRES] 4.4.3 has it in what a user hears of himself, too."""


class Grants:
    """Answers SUBSCRIBEs that are allowed, within the settings.

    Attributes:
        continued: `Notifier.continued`: gives the subscription that a SUBSCRIBE continues; raises `Refused` (481) when it
            continues one that does not exist.
    """

    def __init__(self, notifier: Notifier, settings: Settings) -> None:
        self.continued: Final = notifier.continued
        self._accept = notifier.accept
        self._default_s = settings.expires_s
        self._minimum_s = settings.expires_minimum_s
        self._maximum_s = settings.expires_maximum_s

    def is_end(self, arrival: Arrival) -> bool:
        """Tell whether a SUBSCRIBE ends a subscription that there is.

        Raises:
            Refused: 481, it continues one that does not exist.
        """
        return arrival.request.expires == 0 and self.continued(arrival) is not None

    def accept(
        self,
        arrival: Arrival,
        event: str,
        document: Document | None,
        data: Any = None,  # Any: each event keeps its own kind of value
        on_end: Callable[[Subscription], None] | None = None,
        *,
        in_list: bool = False,
        once: bool = False,
    ) -> tuple[Subscription | None, Response]:
        """Answer with a document; give the subscription if one continues.

        Args:
            arrival: The SUBSCRIBE.
            event: Its package.
            document: What there is to tell now.
            data: See `Notifier.accept`, as the rest.
            on_end: Hears of the end.
            in_list: Whether it is one to many at once; notifications then say that they require as much.
            once: Whether nothing is to be told after this.

        Raises:
            Refused: As `Notifier.accept`.
        """
        # Clients that signed in together, after a restart, would refresh together for ever.
        spread = self._default_s // _SPREAD
        varied = self._default_s - spread + secrets.randbelow(2 * spread + 1)
        most = min(arrival.request.expires or self._maximum_s, self._maximum_s)
        return self._accept(
            arrival,
            event=event,
            default_s=min(max(varied, self._minimum_s), self._maximum_s),
            minimum_s=self._minimum_s,
            maximum_s=max(most - secrets.randbelow(most // _SPREAD + 1), self._minimum_s),
            document=document,
            data=data,
            once=once,
            on_end=on_end,
            shared=_LISTED if in_list else (),
        )
