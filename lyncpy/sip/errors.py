"""The two ways a protocol is broken: by the peer, or by us."""

from lyncpy.sip.plain import clean


class RemoteProtocolError(Exception):
    """The peer broke the protocol.

    Attributes:
        reason: What was wrong, for a log and for the peer: lower case, no secrets. What it
            repeats of the peer's own words is cleaned here, for all who show it.
        status: The response status that says so best.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        reason = clean(reason)
        super().__init__(reason, status)
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return self.reason


class LocalProtocolError(Exception):
    """We were about to break the protocol: a bug of this process, never the peer's fault.

    Attributes:
        reason: What was wrong, for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
