"""Small units between two rooms, which assembly adds because no room may know both."""

from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import CertificatesRevoked, PersonChanged, SecretChanged
from lyncpy.contracts.workload import IUnit
from lyncpy.core.gate import Gate
from lyncpy.workloads.web.readers import Readers


@implementer(IUnit)
class TokenOwnersUnit:
    """Notes when the server opens which people the site's tokens name, before another can get such an address."""

    name = "noting"

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def open(self) -> None:
        """Note the people of all tokens; the directory is open by now."""
        self._readers.note_meanings()

    async def close(self) -> None:
        """Do nothing: nothing runs after `open`."""


@implementer(IUnit)
class RevocationUnit:
    """Ends a user's security associations when their password is changed or they are disabled, or what opened them is revoked."""

    name = "revoking"
    log = Logger()

    def __init__(self, bus: IBus, gate: Gate) -> None:
        self._bus = bus
        self._gate = gate
        self._listening: list[Any] = []  # Any: IListening, whose promise has no class

    async def open(self) -> None:
        """Listen for changed passwords and people, and revoked certificates."""
        self._listening = [
            self._bus.listen(SecretChanged, self._secret),
            self._bus.listen(PersonChanged, self._person),
            self._bus.listen(CertificatesRevoked, self._certificates),
        ]

    async def close(self) -> None:
        """Stop listening."""
        for listening in self._listening:
            listening.stop()

    def _secret(self, fact: SecretChanged) -> None:
        self._gate.end_associations(fact.aor)

    def _certificates(self, fact: CertificatesRevoked) -> None:
        self._gate.end_associations(fact.aor, fact.digests)

    def _person(self, fact: PersonChanged) -> None:
        if not fact.may_stay:
            self._gate.end_associations(fact.aor)
