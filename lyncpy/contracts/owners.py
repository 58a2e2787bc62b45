"""Whose a thing is: people are told apart by the directory's key, whatever their address is.

What belongs to somebody (a board, a contact list, a password, a conference) is stored under
their `OwnerId`, never under an address; so it goes along with a new address, and nobody who
gets a used one finds it. Where one person's things name another, as a contact list does, the
name is kept with the `OwnerId` that it meant, and `resolve` says what it means now.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NewType

from zope.interface import Interface

from lyncpy.contracts.names import Aor

OwnerId = NewType("OwnerId", str)
"""Somebody whom the directory has named, for ever: it is never given to another key."""

NOBODY: Final = OwnerId("")


@dataclass(frozen=True, slots=True)
class Span:
    """An address, and from when until when it is meant. Seconds since the epoch."""

    aor: Aor
    since: float = 0.0
    until: float = float(2**40)
    """Exclusive."""


class IOwners(Interface):
    """Who has which address, now and before; in memory, kept by the directory workload.

    That an address has another holder than before is told as `AddressesChanged`.
    """

    def owner(aor: Aor) -> OwnerId:
        """Give who has this address now, disabled people too; NOBODY for an address of nobody."""

    def meant(aor: Aor) -> OwnerId:
        """Give the owner that an address means to whoever names it now: its holder, else its last one, else NOBODY."""

    def address(owner: OwnerId) -> Aor | None:
        """Give the present address; None of who was removed, or is not known."""

    def keeps(owner: OwnerId) -> bool:
        """Tell whether there is such an owner, present or held back; if not, what is left of theirs may be deleted."""

    def have(named: Mapping[Aor, OwnerId]) -> bool:
        """Tell whether each of these addresses is that owner's now: then none of the names has to be resolved."""

    def knows(owner: OwnerId) -> bool:
        """Tell whether an owner is known, present or former."""

    def led_to(aor: Aor) -> Aor | None:
        """Give the present address of the owner who left this one, as long as requests for it are led on; else None."""

    def spans(owner: OwnerId) -> Sequence[Span]:
        """Give the addresses of an owner, former and present, each with its span of time, oldest first.

        For what is written down under addresses and stays as it was written. Empty for who is not known.
        """


class IMeanings(Interface):
    """The people that addresses in an operator's files mean: who had each when the server first read it there."""

    def present_address(place: str, aor: Aor) -> Aor | None:
        """Give the present address of the person that `aor` means in `place`; None if they left the directory.

        An address that nobody ever had is given as it is; whoever gets it first is meant from then on.

        Args:
            place: A file, or a part of it, in a few words that stay the same.
            aor: As it is written there.
        """

    def only(place: str, aors: Collection[Aor]) -> None:
        """Forget addresses that are not in a place any more: who writes one again means who has it then."""


def resolve(owners: IOwners, aor: Aor, owner: OwnerId) -> Aor | None:
    """Resolve a name that was written down as `aor` and meant `owner` to its present address.

    Returns:
        The present address. Of somebody who is gone the address as it was written, for it
        shows who is missing; but None when it is another's by now, who was not meant.
    """
    if not owner:
        return aor
    present: Aor | None = owners.address(owner)
    if present is not None:
        return present
    return None if owners.owner(aor) else aor


def read_owners(owners: IOwners, stored: Mapping[str, str] | None, named: Iterable[Aor]) -> dict[Aor, OwnerId]:
    """Read the owners that the names in a record meant when it was written.

    Args:
        owners: Who there is.
        stored: As it was stored with the names; None when a server wrote it that knew people by
            their address alone: then they are who had the addresses when this one began.
        named: The addresses that the thing names.
    """
    if stored is not None:
        return {aor: OwnerId(stored.get(aor, NOBODY)) for aor in named}
    return {aor: OwnerId(aor) if owners.knows(OwnerId(aor)) else NOBODY for aor in named}
