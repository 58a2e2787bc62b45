"""What a user has published about calls to them."""

from collections.abc import Awaitable
from dataclasses import dataclass

from zope.interface import Interface

from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class PublishedRules:
    """The documents of the category `routing` for one caller, as their client wrote them; "" for none."""

    general: str = ""
    breakthrough: str = ""
    """For callers who reach the user whatever the other says; it names them."""

    work_hours: str = ""
    """The document that tells when the user works, where a rule asks for it."""

    is_disturbing: bool = False
    """Whether the user does not want to be disturbed, as the caller's access level sees it."""

    is_blocked: bool = False
    """Whether nothing of the caller reaches the user."""


class ICallRules(Interface):
    """The rules that users publish for calls to them; kept by the presence workload."""

    def rules_for(callee: Aor, caller: Aor) -> Awaitable[PublishedRules]:
        """Give what a user has published for the access level of a caller.

        Raises:
            Refused: Too many wait for the same board.
            StoreUnavailable: It cannot be read.
        """

    def may_act_for(delegate: Aor, user: Aor) -> Awaitable[bool]:
        """Tell whether somebody is on the user's list of delegates. Raises as `rules_for` does."""
