"""Updates the contact lists of signed-in users when the directory changes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.facts import AddressesChanged, GroupsChanged, PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import next_turn
from lyncpy.core.spawn import spawn
from lyncpy.workloads.contacts.generated_groups import GeneratedGroups
from lyncpy.workloads.contacts.lists import Lists

SETTLE_S: Final = 0.5
"""Seconds from a change to the update: a pull tells of people one by one, and a list is changed once for many."""

RETRY_S: Final = 30.0
"""Seconds until lists that could not be written are tried again."""

LOOKED_AT: Final = 500
"""Users whose lists are compared with the directory in one turn of the reactor; that takes some milliseconds."""

AT_ONCE: Final = 50
"""Lists that are written at a time: the store commits them together."""


class ListRefresh:
    """Keeps lists up to date with the directory while devices watch them."""

    log = Logger()

    def __init__(self, lists: Lists, generated_groups: GeneratedGroups, timers: ITimers) -> None:
        self._lists = lists
        self._generated_groups = generated_groups
        self._timers = timers
        self._refreshing = Deadline(timers, self._due)
        self._closed = False
        self._readdress = False
        """Whether a person in any list may have another address."""

    def person_changed(self, fact: PersonChanged) -> None:
        """Update the lists with this person, soon."""
        self._generated_groups.person_changed(fact.aor)
        self._soon(SETTLE_S)

    def addresses_changed(self, fact: AddressesChanged) -> None:
        """Update the lists with people who have other addresses now, soon."""
        for aor in fact.aors:
            if self._lists.is_lost(aor):
                self._lists.left(aor)
        self._readdress = True
        self._soon(SETTLE_S)

    def groups_changed(self, fact: GroupsChanged) -> None:
        """Update the lists with these groups, soon."""
        self._generated_groups.groups_changed(fact.keys)
        self._soon(SETTLE_S)

    def close(self) -> None:
        """Stop updating lists."""
        self._closed = True
        self._refreshing.clear()

    def _soon(self, delay_s: float) -> None:
        if not self._closed:
            self._refreshing.set_first(delay_s)

    def _due(self) -> None:
        spawn(self._refresh(), self.log, "bringing contact lists up to date")

    async def _refresh(self) -> None:
        """Update the lists of all signed-in users, in slices, so that others' messages go on in between."""
        readdress, self._readdress = self._readdress, False
        users = self._lists.signed_in()
        for start in range(0, len(users), LOOKED_AT):
            some = users[start : start + LOOKED_AT]
            if readdress:
                # Lists are not in memory: whose name stands in which is known only by reading them.
                for first in range(0, len(some), AT_ONCE):
                    if not await self._write(some[first : first + AT_ONCE], self._lists.readdress):
                        self._readdress = True
            outdated = [aor for aor in some if self._lists.is_outdated(aor)]
            for first in range(0, len(outdated), AT_ONCE):
                await self._write(outdated[first : first + AT_ONCE], self._lists.refresh)
            await next_turn(self._timers)

    async def _write(
        self, users: Sequence[Aor], work: Callable[[Aor], Coroutine[Deferred[object], object, None]]
    ) -> bool:
        """Work on several lists at a time; tell whether all of it could be done."""
        writes = [Deferred.fromCoroutine(work(aor)) for aor in users]
        results: list[tuple[bool, object]] = [*await DeferredList(writes, consumeErrors=True)]
        failures = [result for _, result in results if isinstance(result, Failure)]
        if failures:
            # What is not written is not told; the lists stay outdated and are found again.
            reason = failures[0].getErrorMessage()
            self.log.warn("{count} contact lists wait for the store: {reason}", count=len(failures), reason=reason)
            self._soon(RETRY_S)
        return not failures
