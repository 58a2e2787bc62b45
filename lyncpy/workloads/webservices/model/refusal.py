"""Why a web service refuses a request."""

from typing import Final

from lyncpy.sip.plain import clean

NO_VALID_TOKEN: Final = 28020
"""The diagnostics id of Lync for a missing, forged or void security token ([MS-OCAUTHWS] 2.2.3)."""


class ServiceRefused(Exception):
    """A request is refused; the reason is for whoever sits before the client, and tells nothing of our insides.

    What it repeats of the client's own words is cleaned here, for all who show it: it is one line, of what can be shown.

    Args:
        code: The SOAP fault code: with a prefix of `bodies/faults.py`, as "wsse:FailedAuthentication".
        error_id: For clients that have words of their own; 0: none.
    """

    def __init__(self, code: str, reason: str, error_id: int = 0) -> None:
        reason = clean(reason)
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.error_id = error_id


def untrusted(reason: str) -> ServiceRefused:
    """Give the refusal of a security token or of the proof that goes with it."""
    return ServiceRefused("wsse:FailedAuthentication", reason, NO_VALID_TOKEN)
