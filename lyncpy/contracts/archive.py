"""Keeping what was said, where policy demands it."""

from collections.abc import Awaitable, Collection
from dataclasses import dataclass

from zope.interface import Interface

from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said, or that happened, in a conversation."""

    at: float
    """Seconds since the epoch, UTC."""

    conversation: str
    """The focus URI of a conference; else Ms-Conversation-ID, or the Call-ID where there is none."""

    kind: str
    """"message", "joined", "left" or "undelivered"."""

    sender: Aor
    recipients: tuple[Aor, ...]
    message_id: str = ""
    """Names a message within its conversation; an "undelivered" names the message that it is about."""

    content_type: str = ""
    """As it came, with parameters."""

    body: bytes = b""
    conference: bool = False


class IArchive(Interface):
    """Append-only; what `keep` has answered is durable."""

    def wants(people: Collection[Aor], external: bool) -> bool:
        """Tell whether the policy of one of these people demands that they are archived; cheap, no waiting.

        `external`: somebody outside the enterprise, or a guest, takes part.
        """

    def keep(said: Said) -> Awaitable[None]:
        """Write it down before it is passed on.

        Raises:
            Refused: 503 with a reason, in critical mode, when it cannot be written: then the
                message must not be passed on. Out of critical mode a failure is counted and logged.
        """
