"""INumbers: what somebody dials becomes a number by their dial plan, and a number the person whose line it is.

Spec: [MS-SIPRE]; spec notes, "voice" §5.
"""

from collections.abc import Collection
from dataclasses import replace

from zope.interface import implementer

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, domain_of, named_by
from lyncpy.contracts.numbers import INumbers
from lyncpy.contracts.refusal import Refused
from lyncpy.sip.telephone import Dialled, dialled_in
from lyncpy.sip.uri import Uri
from lyncpy.workloads.voice.decisions import Decisions
from lyncpy.workloads.voice.model.outbound import NO_ROUTE, NumberRouting


@implementer(INumbers)
class Numbers:
    """Finds people by their lines.

    Args:
        people: Everybody.
        decisions: What becomes of what is dialled.
        domains: Whose numbers are ours; those of another domain are for that.
    """

    def __init__(self, people: IPeople, decisions: Decisions, domains: Collection[str]) -> None:
        self._people = people
        self._decisions = decisions
        self._domains = frozenset(map(domain_of, domains))

    def callee(self, target: Uri, caller: Aor) -> Aor | None:
        """Give whom a URI reaches that names a number; see the promise.

        An address that looks like a number is its holder's, as long as nobody says that a number is meant.
        """
        decision = self._decided(target, caller)
        if decision is None:
            return None
        if decision.person is None:
            no = decision.refusal or NO_ROUTE
            raise Refused(no.status, no.diagnostics)
        return decision.person

    def outward(self, target: Uri, caller: Aor) -> NumberRouting | None:
        """Give by which ways out of the house a URI is called; None: by none.

        Raises:
            RemoteProtocolError: 400; it says that it is a number, and is none.
        """
        decision = self._decided(target, caller)
        return decision if decision is not None and decision.attempts else None

    def _decided(self, target: Uri, caller: Aor) -> NumberRouting | None:
        """Decide about a URI; None: it names no number of ours."""
        if target.host and (domain_of(target.host) not in self._domains or target.is_gruu):
            return None
        if "user" not in target.params and self._people.person(named_by(target)) is not None:
            return None
        dialled = dialled_in(target)
        if dialled is None:
            return None
        return self.decide(dialled, caller)

    def decide(self, dialled: Dialled, caller: Aor) -> NumberRouting:
        """Say what becomes of what somebody dials; a domain of ours as its context says no more than that it is dialled here."""
        own = domain_of(dialled.context) in self._domains
        return self._decisions.decide(replace(dialled, context="") if own else dialled, caller)
