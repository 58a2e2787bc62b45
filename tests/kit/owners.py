"""Who has which address, where nobody's address ever changes."""

from collections.abc import Collection, Mapping, Sequence

from zope.interface import implementer

from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.contracts.owners import IMeanings, IOwners, OwnerId, Span


@implementer(IMeanings)
class AddressMeanings:
    """Where nobody's address ever changes."""

    def present_address(self, place: str, aor: Aor) -> Aor | None:
        """Give the address as it is."""
        return aor

    def only(self, place: str, aors: Collection[Aor]) -> None:
        """Forget nothing."""


@implementer(IOwners)
class AddressOwners:
    """Where nobody's address ever changes: everybody is their address."""

    def owner(self, aor: Aor) -> OwnerId:
        """Give the address."""
        return OwnerId(aor)

    def meant(self, aor: Aor) -> OwnerId:
        """Give the address."""
        return OwnerId(aor)

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the address."""
        return kept_aor(owner)

    def keeps(self, owner: OwnerId) -> bool:
        """Keep everybody."""
        return True

    def have(self, named: Mapping[Aor, OwnerId]) -> bool:
        """Tell whether each is who has the address."""
        return all(OwnerId(aor) == owner for aor, owner in named.items())

    def knows(self, owner: OwnerId) -> bool:
        """Know everybody."""
        return True

    def led_to(self, aor: Aor) -> Aor | None:
        """Lead nowhere."""
        return None

    def spans(self, owner: OwnerId) -> Sequence[Span]:
        """Give the address, for ever."""
        return (Span(kept_aor(owner)),) if owner else ()
