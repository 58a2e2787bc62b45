"""Who may reach whom, and what holds where that cannot be read.

While it is not known whether somebody is blocked, nothing that they begin reaches the other (`may_reach`), and nothing
that is under way ends (`has_blocked`).
"""

from collections.abc import Awaitable
from typing import Final

from zope.interface import Interface

from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable

OFFLINE: Final = Diagnostics(1, "User could not be reached")
"""With 480, of who is signed out; and so of whoever does not want to be reached by the caller."""


class IPrivacy(Interface):
    """What a user's access levels allow others; kept by the presence workload.

    Rooms ask by way of `may_reach` and `has_blocked`.
    """

    def is_blocked(owner: Aor, other: Aor) -> Awaitable[bool]:
        """Tell whether `owner` has blocked `other`: then nothing of the other reaches them.

        Raises:
            Refused: Too many wait for the same board.
            StoreUnavailable: It cannot be read.
        """


async def may_reach(privacy: IPrivacy, owner: Aor, other: Aor) -> bool:
    """Tell whether what `other` begins may reach `owner`, who is signed in; no where that cannot be read.

    It is asked last, and of those alone who would be reached. Of who is signed out it would be in the store, which may be
    away; and every answer but that for somebody who is signed out would tell a blocked person that they are blocked, or that
    somebody is there.
    """
    try:
        return not await privacy.is_blocked(owner, other)
    except (Refused, WorldUnavailable):
        return False


async def has_blocked(privacy: IPrivacy, owner: Aor, other: Aor) -> bool:
    """Tell whether `owner` is known to have blocked `other`; no where that cannot be read.

    A hiccup of the store ends no conversation; a block that is made later does.
    """
    try:
        return await privacy.is_blocked(owner, other)
    except (Refused, WorldUnavailable):
        return False
