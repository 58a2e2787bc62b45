"""INumbers: what somebody dials becomes a number by their dial plan, and a number the person whose line it is.

Spec: [MS-SIPRE]; spec notes, "voice" §5.
"""

from collections.abc import Collection
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, domain_of, named_by
from lyncpy.contracts.numbers import INumbers
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.telephone import Dialled, TelephoneNumber, dialled_in
from lyncpy.sip.uri import Uri
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.model.dialplan import NotDialable, normalise

NOBODYS: Final = Diagnostics(4005, "Destination URI either not enabled for SIP or does not exist")
SHARED: Final = Diagnostics(4009, "Multiple users associated with the destination phone number")
NO_RULE: Final = Diagnostics(14010, "Unable to find an exact match in the rules set")
NO_PLAN: Final = Diagnostics(14010, "There is no dial plan of the name that the number's phone-context has")


@implementer(INumbers)
class Numbers:
    """Finds people by their lines.

    Args:
        people: Everybody.
        plans: Make numbers of what is dialled.
        domains: Whose numbers are ours; those of another domain are for that.
    """

    def __init__(self, people: IPeople, plans: DialPlans, domains: Collection[str]) -> None:
        self._people = people
        self._plans = plans
        self._domains = frozenset(map(domain_of, domains))

    def callee(self, target: Uri, caller: Aor) -> Aor | None:
        """Give whom a URI reaches that names a number; see the promise.

        An address that looks like a number is its holder's, as long as nobody says that a number is meant.
        """
        if target.host and (domain_of(target.host) not in self._domains or target.is_gruu):
            return None
        if "user" not in target.params and self._people.person(named_by(target)) is not None:
            return None
        dialled = dialled_in(target)
        if dialled is None:
            return None
        # Who is switched off has a number as they have an address: nobody is reached by it, and nobody else's is doubtful.
        number = self._number(dialled, caller)
        found = [person.aor for person in self._people.by_number(number.uri) if person.enabled]
        if not found:
            raise Refused(404, NOBODYS)
        if len(found) > 1:
            raise Refused(485, SHARED)
        return found[0]

    def _number(self, dialled: Dialled, caller: Aor) -> TelephoneNumber:
        """Make a number of what was dialled; a domain of ours as its context says no more than that it is dialled here."""
        context = "" if domain_of(dialled.context) in self._domains else dialled.context
        plan = self._plans.meant(context, caller)
        if plan is None:
            raise Refused(404, NO_PLAN)
        try:
            return normalise(plan, dialled.text, dialled.ext).number
        except NotDialable:
            raise Refused(404, NO_RULE) from None
