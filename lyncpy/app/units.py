"""What listens between the rooms: small units that assembly adds because no room may know both sides."""

from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import PersonChanged, SecretChanged
from lyncpy.contracts.workload import IUnit
from lyncpy.core.gate import Gate
from lyncpy.workloads.web.readers import Readers


@implementer(IUnit)
class Noting:
    """Whom the tokens of the site mean is noted when the server opens, before their addresses can be others'."""

    name = "noting"

    def __init__(self, readers: Readers) -> None:
        """Take who has the tokens."""
        self._readers = readers

    async def open(self) -> None:
        """Note it; people are known by now."""
        self._readers.note_meanings()

    async def close(self) -> None:
        """Nothing was begun."""


@implementer(IUnit)
class Revoking:
    """A password that was changed or a user who was disabled ends what was proven with it."""

    name = "revoking"
    log = Logger()

    def __init__(self, bus: IBus, gate: Gate) -> None:
        """Take where it is told and who has to forget."""
        self._bus = bus
        self._gate = gate
        self._listening: list[Any] = []  # Any: IListening, whose promise has no class

    async def open(self) -> None:
        """Listen."""
        self._listening = [self._bus.listen(SecretChanged, self._secret), self._bus.listen(PersonChanged, self._person)]

    async def close(self) -> None:
        """Hear no more."""
        for listening in self._listening:
            listening.stop()

    async def _secret(self, fact: SecretChanged) -> None:
        self._gate.end_associations(fact.aor)

    async def _person(self, fact: PersonChanged) -> None:
        if fact.person is None or not fact.person.may_stay:
            self._gate.end_associations(fact.aor)
