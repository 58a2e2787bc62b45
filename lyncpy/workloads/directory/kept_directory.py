"""A directory and, beside it, the people who are kept in the store: one pull reads both."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zope.interface import implementer

from lyncpy.contracts.directory import IDirectory, Person, Pull, Skipped
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.directory.accounts import Accounts, Disabling, kept_keys, record_of, with_disabling


class KeysBeside(Collection[str]):
    """The keys that a directory has counted, and those of people beside it.

    Args:
        counted: The directory's.
        kept: The others.
    """

    def __init__(self, counted: Collection[str], kept: Collection[str]) -> None:
        self._counted = counted
        self._kept = kept

    def __contains__(self, key: object) -> bool:
        return key in self._kept or key in self._counted

    def __iter__(self) -> Iterator[str]:
        yield from self._counted
        yield from self._kept

    def __len__(self) -> int:
        return len(self._counted) + len(self._kept)

    def __bool__(self) -> bool:
        return True  # also where nothing was counted it says what is there


@implementer(IDirectory)
class DirectoryWithKept:
    """Adds to each answer of a directory who is kept in the store, and bars who is disabled there.

    Of the directory's own entries nothing is changed but that. Where it cannot be read the pull fails as without this.

    Args:
        directory: The other one.
        accounts: Reads the store.
        everybody: Gives who is known.
        owner_of: Says by the key of a directory whose all that is theirs is.
    """

    def __init__(
        self,
        directory: IDirectory,
        accounts: Accounts,
        everybody: Callable[[], Sequence[Person]],
        owner_of: Callable[[str], OwnerId | None],
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._everybody = everybody
        self._owner_of = owner_of

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read both; see the promise.

        Raises:
            DirectoryUnavailable: The directory cannot be read.
            StoreUnavailable: The store cannot.
        """
        answer: Pull = await self._directory.pull(cookie, counting=counting)
        kept = await self._accounts.everybody()
        people, keys = (*answer.people, *kept.people), {one.key for one in kept.people}
        skipped = tuple(self._staying(kept.skipped))
        keys.update(one.key for one in skipped)
        if disabled := await self._accounts.disablings():
            people = tuple(self._barred(one, disabled) for one in people)
        gone = answer.gone
        if not answer.complete:
            # Of what is kept here each answer tells all.
            gone = gone.union(key for key in kept_keys(self._everybody()) if key not in keys)
        return replace(
            answer,
            people=people,
            gone=gone,
            present=None if answer.present is None else KeysBeside(answer.present, keys),
            skipped=(*answer.skipped, *skipped),
        )

    def _barred(self, person: Person, disabled: Mapping[OwnerId, Disabling]) -> Person:
        owner = self._owner_of(person.key)
        found = None if owner is None else disabled.get(owner)
        return person if found is None else with_disabling(person, found)

    def _staying(self, skipped: Iterable[Skipped]) -> Iterator[Skipped]:
        """Give what cannot be read with the keys of who is known from there: they stay as they are."""
        known = {record_of(key): key for key in kept_keys(self._everybody())} if skipped else {}
        for one in skipped:
            yield replace(one, key=known.get(record_of(one.key), one.key), keeps=True)

    def close(self) -> Awaitable[None]:
        """Close the directory."""
        closed: Awaitable[None] = self._directory.close()
        return closed
