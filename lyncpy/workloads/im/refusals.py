"""Refusals that several parts of the room make, with the diagnostics of [MS-OCER]."""

from typing import Final

from lyncpy.contracts.refusal import Diagnostics, Refused

MOVED: Final = Diagnostics(1, "The server that has this conference is another one now")


def overloaded() -> Refused:
    """Make the refusal of one session, invitation or participant more than the settings allow."""
    return Refused(503, Diagnostics(17000, "Server overloaded"), headers=[("Retry-After", "60")])
