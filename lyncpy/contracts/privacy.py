"""Who may reach whom."""

from collections.abc import Awaitable

from zope.interface import Interface

from lyncpy.contracts.names import Aor


class IPrivacy(Interface):
    """What a user's access levels allow others; kept by the presence workload."""

    def is_blocked(owner: Aor, other: Aor) -> Awaitable[bool]:
        """Tell whether `owner` has blocked `other`: then nothing of the other reaches them."""
