"""Refusals that several parts of the room make, with the diagnostics of [MS-OCER]."""

from typing import Final

from lyncpy.contracts.refusal import Diagnostics, Refused

NO_DIALOG: Final = Diagnostics(1004, "Route set is no longer valid")
"""Of a 481: the dialog has ended, or is not the sender's."""

MOVED: Final = Diagnostics(1, "The server that has this conference is another one now")


def overloaded() -> Refused:
    """Make the refusal of one session, invitation or participant more than the settings allow."""
    return Refused(503, Diagnostics(17000, "Server overloaded"), headers=[("Retry-After", "60")])
