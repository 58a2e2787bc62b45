"""Photos of people: read from the directory when somebody wants them, never with everybody at once.

What was read is known for an hour, as its digest and size; of the pictures themselves the last that were wanted are
kept. So memory does not grow with the people there are, and a list of contacts costs the directory nothing twice.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.facts import PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.photos import FoundPhoto, IPhotos, IPhotoSource, PhotoFacts
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.workloads.directory.model.forms import is_listed
from lyncpy.workloads.directory.model.jpeg import objection_to_photo

KNOWN_S: Final = 3_600.0
"""After so long the directory is asked again; clients ask us again once a day."""

KNOWN_MOST: Final = 50_000
"""People of whose photos something is known; 20 MB."""

KEPT_BYTES: Final = 33_554_432
"""Of pictures; a thousand of the largest that clients are told to show by default."""

WANTED_MOST: Final = 1_000
"""People whose photos wait to be read; who comes later is told of no photo, and asks again at the next sign-in."""

AT_ONCE: Final = 20
"""Read over one connection, and in memory before they are judged one by one."""

WAIT_S: Final = 2.0
"""A search is not answered later than this because of photos."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of somebody's photo."""

    facts: PhotoFacts | None
    """None: there is none that can be shown."""

    objection: str
    """Why one is not shown; "" when there is none, or it is."""

    at: float
    """Monotonic seconds."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody waits for the photos of these people to be read."""

    aors: tuple[Aor, ...]
    ended: Deferred[None] = field(default_factory=Deferred)

    def end(self) -> None:
        if not self.ended.called:
            self.ended.callback(None)


@implementer(IPhotos)
class Photos:
    """Photos of people; `person_changed` tells it whose it has to read again.

    Args:
        source: Where they are; it is closed with this.
        people: Who has one.
        bytes_most: A larger one is not shown.
        timers: The clock.
    """

    log = Logger()

    def __init__(self, source: IPhotoSource, people: IPeople, bytes_most: int, timers: ITimers) -> None:
        self._source = source
        self._people = people
        self._fits = partial(objection_to_photo, bytes_most=bytes_most)
        self._timers = timers
        self._known: OrderedDict[Aor, _Known] = OrderedDict()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._wanted: dict[Aor, None] = {}
        self._waiting: dict[_Waiting, None] = {}
        self._is_busy = False
        self._closed = False

    async def close(self) -> None:
        """Stop reading; who waits is answered by what is known."""
        self._closed = True
        self._wanted.clear()
        self._wake()
        await self._source.close()

    def __len__(self) -> int:
        """Count who waits for photos to be read."""
        return len(self._waiting)

    async def facts(self, people: Sequence[Person]) -> Mapping[Aor, PhotoFacts]:
        """Give what is known of photos; see the promise."""
        shown = tuple(person.aor for person in people if is_listed(person))
        await self._read(tuple(aor for aor in shown if not self._is_fresh(aor)))
        known = {aor: self._known[aor].facts for aor in shown if aor in self._known}
        return {aor: facts for aor, facts in known.items() if facts is not None}

    async def photo(self, aor: Aor, digest: str) -> bytes | None:
        """Give a photo; see the promise."""
        person = self._people.person(aor)
        facts = None if person is None else (await self.facts((person,))).get(aor)
        if facts is None or facts.digest != digest:
            return None
        if digest not in self._kept:
            await self._read((aor,))
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._kept.get(digest)

    async def objection(self, person: Person) -> str:
        """Say why the photo of a person is not shown, for an operator; "" when it is, or there is none."""
        await self.facts((person,))
        known = self._known.get(person.aor)
        return known.objection if known is not None else ""

    def person_changed(self, fact: PersonChanged) -> None:
        """Read the photo anew when it is wanted next."""
        self._known.pop(fact.aor, None)

    # --- reading

    def _is_fresh(self, aor: Aor) -> bool:
        known = self._known.get(aor)
        return known is not None and self._timers.now() < known.at + KNOWN_S

    async def _read(self, aors: tuple[Aor, ...]) -> None:
        """Read photos, together with those that others wait for; give up waiting after a while."""
        room = WANTED_MOST - len(self._wanted)
        if not aors or room <= 0 or self._closed:
            return
        waiting = _Waiting(aors[:room])
        self._wanted |= dict.fromkeys(waiting.aors)
        self._waiting[waiting] = None
        late = self._timers.later(WAIT_S, waiting.end)
        if not self._is_busy:
            self._is_busy = True
            spawn(self._work(), self.log, "reading photos")
        try:
            await waiting.ended
        finally:
            # Also of who goes away: nothing else would ever forget them.
            late.cancel()
            del self._waiting[waiting]

    async def _work(self) -> None:
        """Read what is wanted, some at a time, until nothing is."""
        try:
            while self._wanted:
                await self._read_some(tuple(islice(self._wanted, AT_ONCE)))
                self._wake()
        finally:
            self._is_busy = False

    async def _read_some(self, aors: tuple[Aor, ...]) -> None:
        people = [person for aor in aors if (person := self._people.person(aor)) is not None]
        try:
            found = await self._source.read(people, self._fits) if people else ()
        except DirectoryUnavailable as error:
            # Who reads it tells the operator, and asks nobody for a while: others' photos are in other directories.
            self.log.debug("these photos are left out: {reason}", reason=str(error))
            return
        finally:
            for aor in aors:
                self._wanted.pop(aor, None)
        for person, one in zip(people, found, strict=False):
            # A pull may have come between: then it is somebody else's photo.
            now = self._people.person(person.aor)
            if one is not None and now is not None and now.source == person.source:
                self._keep(person.aor, one)

    def _keep(self, aor: Aor, found: FoundPhoto) -> None:
        facts = None
        if found.data:
            # The hash that clients compare, and no proof of anything.
            facts = PhotoFacts(hashlib.md5(found.data, usedforsecurity=False).hexdigest(), len(found.data))
            self._bytes += len(found.data) - len(self._kept.pop(facts.digest, b""))
            self._kept[facts.digest] = found.data
            while self._bytes > KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        self._known.pop(aor, None)
        self._known[aor] = _Known(facts, found.objection, self._timers.now())
        if len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)

    def _wake(self) -> None:
        """Go on with whoever waits for nothing any more."""
        ready = [one for one in self._waiting if not any(aor in self._wanted for aor in one.aors)]
        for one in ready:
            one.end()
