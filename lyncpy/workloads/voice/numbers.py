"""INumbers: reverse number lookup, from a number to the person whose line it is ([MS-SIPRE]; spec notes, "voice" §5)."""

from collections.abc import Collection
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, domain_of, named_by
from lyncpy.contracts.numbers import INumbers
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.telephone import number_in
from lyncpy.sip.uri import Uri

NOBODYS: Final = Diagnostics(4005, "Destination URI either not enabled for SIP or does not exist")
SHARED: Final = Diagnostics(4009, "Multiple users associated with the destination phone number")


@implementer(INumbers)
class Numbers:
    """Finds people by their lines.

    Args:
        people: Everybody.
        domains: Whose numbers are ours; those of another domain are for that.
    """

    def __init__(self, people: IPeople, domains: Collection[str]) -> None:
        self._people = people
        self._domains = frozenset(map(domain_of, domains))

    def callee(self, target: Uri) -> Aor | None:
        """Give whom a URI reaches that names a number; see the promise.

        An address that looks like a number is its holder's, as long as nobody says that a number is meant.
        """
        if target.host and (domain_of(target.host) not in self._domains or target.is_gruu):
            return None
        if "user" not in target.params and self._people.person(named_by(target)) is not None:
            return None
        number = number_in(target)
        if number is None:
            return None
        # Who is switched off has a number as they have an address: nobody is reached by it, and nobody else's is doubtful.
        found = [person.aor for person in self._people.by_number(number.uri) if person.enabled]
        if not found:
            raise Refused(404, NOBODYS)
        if len(found) > 1:
            raise Refused(485, SHARED)
        return found[0]
