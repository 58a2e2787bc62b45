"""What a user may, where users differ."""

from dataclasses import dataclass

from zope.interface import Interface

from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class Policy:
    """One user's policy."""

    name: str = "default"
    privacy_mode: bool = False
    """Only the user's contacts see them."""

    prompted_subscribers: int = 200
    """Watchers of whom the user has not been told yet that are kept for them; 0: they are never asked."""

    archive_internal: bool = False
    archive_external: bool = False
    """Whether their IM is archived: among people of the enterprise; with others."""

    meeting_size: int = 250
    """Participants of a meeting that they organise."""

    anonymous_participants: bool = True
    """Whether guests may join the meetings that they organise."""

    clients: tuple[str, ...] = ()
    """With which clients they may sign in: rules of `contracts.clients`, the first that fits decides."""


class IPolicies(Interface):
    """Policies in force now. A change is told as `PoliciesChanged`."""

    def policy_of(aor: Aor) -> Policy:
        """Give a user's policy; for an unknown address, that of everybody."""
