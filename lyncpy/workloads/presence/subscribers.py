"""Watchers who are to be introduced to the people whom they watch: "X has added you. Add them too?".

A watcher's SUBSCRIBE is answered first; the boards of the people whom they watch are changed
afterwards, one at a time. A change is durable when it is told. A process that ends in between forgets
the watcher, and so does the end of their connection: they subscribe again, and are noted then.
Spec: [MS-PRES] 2.2.2.6.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.facts import AccessChanged, ContactsChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.workloads.presence.model.audience import audience, is_blocked
from lyncpy.workloads.presence.model.board import Board, Published, compare
from lyncpy.workloads.presence.model.levels import subscribe, unsubscribe
from lyncpy.workloads.presence.presentities import Presentities
from lyncpy.workloads.presence.settings import Settings

_AGAIN_S: Final = 30.0
"""Seconds after which notes that failed are tried again; nothing that waits is lost."""


class Subscribers:
    """Notes watchers on the boards of the people whom they watch."""

    log = Logger()

    def __init__(
        self,
        presentities: Presentities,
        contacts: IContacts,
        policies: IPolicies,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Create the table with nobody to note.

        Args:
            presentities: Everybody who can be watched, with their boards.
            contacts: Everybody's contact lists; a watcher who is on the list needs no introduction.
            policies: How many watchers may wait for a user's answer.
            settings: How many watchers may wait to be noted (one more is noted at the next sign-in), and of how
                many is remembered that nothing has to be decided: as many as watch.
            timers: The clock.
        """
        self._people = presentities.people
        self._boards = presentities.boards
        self._relation = presentities.relation
        self._contacts = contacts
        self._policies = policies
        self._timers = timers
        self._known_bound = settings.watchings_total
        self._waiting: dict[Aor, dict[Aor, str | None]] = {}
        """Watched person → watcher → the context of the subscription; None: the watcher has ended it."""

        self._shares = Shares(
            settings.prompts_waiting,
            {"watcher": settings.prompts_per_watcher},
            {TOTAL: "presence.prompts_waiting", "watcher": "presence.prompts_per_watcher"},
        )
        self._known: dict[Aor, set[Aor]] = {}
        """Person → watchers who need no introduction: else every sign-in would read the contact list of each contact."""

        self._known_count = 0
        self._next = Deadline(timers, self._start)
        self._works = False
        self._closed = False

    def __len__(self) -> int:
        """Give the number of pairs that wait."""
        return len(self._shares)

    def began(self, watcher: Aor, watched: Mapping[Aor, str]) -> None:
        """Note, later, that somebody watches people who may not know them, each with the context of the subscription."""
        for aor, context in watched.items():
            if aor != watcher and watcher not in self._known.get(aor, ()):
                self._add(aor, watcher, context)
        self._wake(0.0)

    def ended(self, watcher: Aor, watched: Iterable[Aor]) -> None:
        """Withdraw questions that nobody has heard: the watcher has ended the subscription."""
        for aor in watched:
            if aor != watcher:
                self._known_count -= watcher in self._known.get(aor, ())
                self._known.get(aor, set()).discard(watcher)
                self._add(aor, watcher, None)
        self._wake(0.0)

    def contacts_changed(self, fact: ContactsChanged) -> None:
        """Forget which watchers need no introduction to a user: one who is off the list now may be asked about."""
        self._forget(fact.aor)

    def access_changed(self, fact: AccessChanged) -> None:
        """Forget which watchers need no introduction to a user whose access levels have changed."""
        self._forget(fact.aor)

    def addresses_changed(self) -> None:
        """Forget which watchers need no introduction: an address may be another person's now."""
        self._known.clear()
        self._known_count = 0

    def close(self) -> None:
        """Drop all that waits, and note nothing more."""
        self._next.clear()
        for watchers in self._waiting.values():
            self._give_back(watchers)
        self._waiting.clear()
        self._works = self._closed = True

    # --- inside

    def _add(self, aor: Aor, watcher: Aor, context: str | None) -> None:
        watchers = self._waiting.setdefault(aor, {})
        if watcher not in watchers and self._shares.reserve({"watcher": watcher}):
            self.log.debug("too much is noted at once; {aor} hears of {watcher} later", aor=aor, watcher=watcher)
            if not watchers:
                del self._waiting[aor]
            return
        watchers[watcher] = context

    def _give_back(self, watchers: Iterable[Aor]) -> None:
        for watcher in watchers:
            self._shares.release({"watcher": watcher})

    def _wake(self, delay_s: float) -> None:
        if self._waiting and not self._works:
            self._next.set_first(delay_s)

    def _start(self) -> None:
        self._works = True
        spawn(self._work(), self.log, "noting who watches whom")

    async def _work(self) -> None:
        failed: list[tuple[Aor, dict[Aor, str | None]]] = []
        try:
            while self._waiting:
                aor = next(iter(self._waiting))
                watchers = self._waiting.pop(aor)
                self._give_back(watchers)
                try:
                    await self._note(aor, watchers)
                except (Refused, WorldUnavailable) as error:
                    self.log.debug("{aor} hears later who watches: {reason}", aor=aor, reason=str(error))
                    failed.append((aor, watchers))
                    if isinstance(error, WorldUnavailable):
                        break  # the others would fare no better
        finally:
            self._works = self._closed
            self._put_off(failed)

    def _put_off(self, failed: Iterable[tuple[Aor, Mapping[Aor, str | None]]]) -> None:
        """Try again later what failed, unless the watcher has subscribed or ended since."""
        again = False
        for aor, watchers in failed:
            again = True
            for watcher, context in watchers.items():
                self._add(aor, watcher, self._waiting.get(aor, {}).get(watcher, context))
        self._wake(_AGAIN_S if again else 0.0)

    async def _note(self, aor: Aor, watchers: Mapping[Aor, str | None]) -> None:
        """Note all watchers who wait for one user, in one change of their board."""
        if self._people.person(aor) is None:
            return
        # A policy of 0 asks nobody about anybody ([MS-PRES], MaxPromptedSubscriber); ends count all the same. The
        # contact list is read only where somebody has begun, and whoever is on it needs no introduction.
        limit = self._policies.policy_of(aor).prompted_subscribers
        begun = {watcher: context for watcher, context in watchers.items() if context is not None and limit}
        contacts = await self._contacts.contacts_of(aor) if begun else frozenset()
        open_ = {watcher: context for watcher, context in begun.items() if watcher not in contacts}
        ended = [watcher for watcher, context in watchers.items() if context is None]
        self._remember(aor, begun.keys() - open_.keys())
        if not open_ and not ended:
            return

        def decide(board: Board, now: float) -> Published:
            noted = board
            for watcher in ended:
                noted = unsubscribe(noted, watcher, now).board
            for watcher, context in open_.items():
                # A question about a blocked watcher would say that the block has been noticed.
                if not is_blocked(audience(noted, watcher, self._relation(watcher))):
                    noted = subscribe(noted, watcher, self._name(watcher), now, limit, context=context).board
            return Published(noted, compare(board, noted))

        outcome = await self._boards.change(aor, decide)
        if isinstance(outcome, Published):
            self._remember(aor, open_.keys() & {one.aor for one in outcome.board.subscribers})

    def _name(self, watcher: Aor) -> str:
        person = self._people.person(watcher)
        return "" if person is None else person.display_name

    def _remember(self, aor: Aor, watchers: Iterable[Aor]) -> None:
        settled = set(watchers)
        if settled:
            known = self._known.setdefault(aor, set())
            self._known_count += len(settled - known)
            known |= settled
        if self._known_count > self._known_bound:
            self._known.clear()
            self._known_count = 0

    def _forget(self, aor: Aor) -> None:
        self._known_count -= len(self._known.pop(aor, ()))
