"""Several directories as one: each is read by itself, and what they say is put together.

Keys of people and groups are unique within one directory, so that here the name of their directory stands before them: of
the one that has no name they are as they were when it was alone. Which of two entries with one address counts, whoever
compares a pull with what is known decides: that of the directory which stands first, unless the other had it before.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer

from lyncpy.backends.ldap_verdicts import WRONG
from lyncpy.backends.people import BlockingRunner
from lyncpy.contracts.directory import (
    NAME_ENDS,
    Group,
    IDirectory,
    IDirectoryPasswords,
    Person,
    Pull,
    SignInObjection,
    Skipped,
    directory_of,
)
from lyncpy.contracts.photos import FoundPhoto, IPhotoSource
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.workload import IUnit

T = TypeVar("T")

_LOGIN: Final = "uid:"
"""Begins what a group calls its members by, where it is a login."""


@dataclass(frozen=True, slots=True)
class JoinedDirectory:
    """One of several.

    Attributes:
        name: Its own; "" for one of them at most.
        url: For an operator.
        directory: Reads it.
        keyed_members: Whether its groups name members by keys, and not by places.
    """

    name: str
    url: str
    directory: IDirectory
    keyed_members: bool


@implementer(IDirectory)
class Directories:
    """Reads several directories at the same time; one that cannot be read keeps nobody from the others' changes.

    Args:
        several: In the order of their precedence.
        threads: Where answers are put together.
    """

    def __init__(self, several: Sequence[JoinedDirectory], threads: BlockingRunner) -> None:
        self._several = tuple(several)
        self._threads = threads
        self._closed = False

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read all of them; see the promise. Only where none can be read it fails."""
        cookies = _cookies(cookie)
        answers = await _answers_of(
            [one.directory.pull(cookies.get(one.name, ""), counting=counting) for one in self._several]
        )
        if self._closed:
            raise DirectoryUnavailable("the directories are being closed")
        return await self._threads.call_in_thread(lambda: _joined(self._several, answers, cookies))

    async def close(self) -> None:
        """Close all of them."""
        self._closed = True
        for one in self._several:
            await one.directory.close()
        await self._threads.stop()


async def _answers_of(asked: Sequence[Awaitable[T]]) -> list[T | DirectoryUnavailable]:
    """Wait for several directories at the same time; give what each answers, or why it cannot be read.

    Raises:
        DirectoryUnavailable: None of them can be; with the reasons of all.
    """
    waiting = [Deferred.fromCoroutine(_answer_of(one)) for one in asked]
    answers: list[T | DirectoryUnavailable] = await gatherResults(waiting, consumeErrors=True)
    failures = [answer for answer in answers if isinstance(answer, DirectoryUnavailable)]
    if failures and len(failures) == len(answers):
        raise DirectoryUnavailable("; ".join(map(str, failures)))
    return answers


async def _answer_of(asked: Awaitable[T]) -> T | DirectoryUnavailable:
    try:
        return await asked
    except DirectoryUnavailable as error:
        return error


def _cookies(cookie: str) -> Mapping[str, str]:
    with suppress(ValueError):
        found = json.loads(cookie or "{}")
        if isinstance(found, dict):
            return {name: text for name, text in found.items() if isinstance(text, str)}
    return {}  # of a time when there was one directory


class PresentKeys(Collection[str]):
    """The keys that are there, as far as they were counted; of directories that counted none, all that are known.

    Args:
        counted: By the names of the directories that were counted.
        silent: The names of the others.
    """

    def __init__(self, counted: Collection[str], silent: Collection[str], names: Collection[str]) -> None:
        self._counted = counted
        self.silent = frozenset(silent)
        self._names = names

    def __contains__(self, key: object) -> bool:
        return key in self._counted or directory_of(str(key), self._names) in self.silent

    def __iter__(self) -> Iterator[str]:
        return iter(self._counted)

    def __len__(self) -> int:
        return len(self._counted)

    def __bool__(self) -> bool:
        return True  # also where nothing was counted it says what is there


def _joined(
    several: Sequence[JoinedDirectory], answers: Sequence[Pull | DirectoryUnavailable], cookies: Mapping[str, str]
) -> Pull:
    """Put answers together, in the order of the directories."""
    heard = [
        (one, _named(one, answer)) for one, answer in zip(several, answers, strict=True) if isinstance(answer, Pull)
    ]
    unread = tuple(
        f"{one.name or one.url}: {answer}"
        for one, answer in zip(several, answers, strict=True)
        if isinstance(answer, DirectoryUnavailable)
    )
    told = [answer for _, answer in heard]
    complete = not unread and all(answer.complete for answer in told)
    following = {**{one.name: cookies.get(one.name, "") for one in several}}
    following.update((one.name, answer.cookie) for one, answer in heard)
    present = None if complete else _present(several, heard, of_groups=False)
    groups_present = None if complete else _present(several, heard, of_groups=True)
    asked = [answer.groups for answer in told if answer.groups is not None]
    return Pull(
        people=tuple(person for answer in told for person in answer.people),
        gone=frozenset(key for answer in told for key in answer.gone),
        complete=complete,
        present=present,
        skipped=tuple(one for answer in told for one in answer.skipped),
        groups=tuple(group for groups in asked for group in groups) if asked or unread else None,
        groups_present=groups_present,
        sources={key: place for answer in told for key, place in answer.sources.items()},
        cookie=json.dumps(following),
        unread=unread,
        silent=present.silent if present is not None else frozenset(),
    )


def _present(
    several: Sequence[JoinedDirectory], heard: Sequence[tuple[JoinedDirectory, Pull]], *, of_groups: bool
) -> PresentKeys:
    counted: set[str] = set()
    silent = {one.name for one in several}
    for one, answer in heard:
        keys = answer.groups_present if of_groups else answer.present
        if answer.complete or (of_groups and answer.groups is None):
            told: Sequence[Person | Group] = (answer.groups or ()) if of_groups else answer.people
            # Not what it skipped: of what was read whole, whoever is not told is of no use, as if it had been read alone.
            keys = {each.key for each in told}
        if keys is not None:
            counted.update(keys)
            silent.discard(one.name)
    return PresentKeys(counted, silent, {one.name for one in several})


def _named(one: JoinedDirectory, answer: Pull) -> Pull:
    """Write the name of the directory before all keys of its answer."""
    if not one.name:
        return answer
    before = f"{one.name}{NAME_ENDS}"

    def keys(several: Collection[str] | None) -> frozenset[str] | None:
        return None if several is None else frozenset(before + key for key in several)

    return replace(
        answer,
        people=tuple(replace(person, key=before + person.key) for person in answer.people),
        gone=frozenset(before + key for key in answer.gone),
        present=keys(answer.present),
        skipped=tuple(_named_skipped(each, one.name, before) for each in answer.skipped),
        groups=None if answer.groups is None else tuple(_named_group(each, one, before) for each in answer.groups),
        groups_present=keys(answer.groups_present),
        sources={before + key: place for key, place in answer.sources.items()},
    )


def _named_skipped(one: Skipped, name: str, before: str) -> Skipped:
    return replace(one, source=f"{name}: {one.source}", key=before + one.key if one.key else "")


def _named_group(group: Group, one: JoinedDirectory, before: str) -> Group:
    members = group.members
    if one.keyed_members:
        members = frozenset(name if name.startswith(_LOGIN) else before + name for name in members)
    return replace(group, key=before + group.key, members=members)


@implementer(IPhotoSource)
class DirectoriesPhotos:
    """Photos of people, each read in their own directory, in several at the same time.

    Args:
        of: By the names of the directories that have any.
        names: Of all directories.
    """

    def __init__(self, of: Mapping[str, IPhotoSource], names: Collection[str]) -> None:
        self._of = of
        self._names = frozenset(names)

    async def read(self, people: Sequence[Person], fits: Callable[[bytes], str]) -> tuple[FoundPhoto | None, ...]:
        """Read photos; see the promise. It fails where none of the directories can be read that are asked."""
        theirs: dict[str, list[int]] = {}
        for number, person in enumerate(people):
            theirs.setdefault(directory_of(person.key, self._names), []).append(number)
        answers = await _answers_of(
            [self._read(name, [people[number] for number in numbers], fits) for name, numbers in theirs.items()]
        )
        found: list[FoundPhoto | None] = [None] * len(people)
        for numbers, answer in zip(theirs.values(), answers, strict=True):
            for number, one in zip(numbers, () if isinstance(answer, DirectoryUnavailable) else answer, strict=False):
                found[number] = one
        return tuple(found)

    async def _read(
        self, name: str, people: Sequence[Person], fits: Callable[[bytes], str]
    ) -> Sequence[FoundPhoto | None]:
        source = self._of.get(name)
        if source is None:
            return [FoundPhoto()] * len(people)
        some: Sequence[FoundPhoto | None] = await source.read(people, fits)
        return some

    async def close(self) -> None:
        """Close all of them."""
        for source in self._of.values():
            await source.close()


class BindingDirectory(Protocol):
    """A directory that is asked about passwords, as `LdapPasswords` is."""

    async def open(self) -> None:
        """See `IUnit`."""

    async def close(self) -> None:
        """See `IUnit`."""

    def check(self, person: Person | None, password: str, peer: str) -> Awaitable[SignInObjection | None]:
        """See `IDirectoryPasswords`."""


@implementer(IDirectoryPasswords, IUnit)
class DirectoriesPasswords:
    """Passwords of people, each asked about in their own directory.

    Args:
        of: By the names of the directories that are asked, the first of which is also asked about nobody.
        names: Of all directories.
    """

    name = "passwords"

    def __init__(self, of: Mapping[str, BindingDirectory], names: Collection[str]) -> None:
        self._of = of
        self._names = frozenset(names)

    async def open(self) -> None:
        """Open all of them."""
        for one in self._of.values():
            await one.open()

    async def close(self) -> None:
        """Close all of them."""
        for one in self._of.values():
            await one.close()

    async def check(self, person: Person | None, password: str, peer: str) -> SignInObjection | None:
        """Ask whether a password is a person's; see the promise."""
        chosen = None if person is None else self._of.get(directory_of(person.key, self._names))
        if chosen is not None:
            objection: SignInObjection | None = await chosen.check(person, password, peer)
            return objection
        # Of who is in a directory that is not asked only the passwords kept here count; it takes as long as of nobody.
        first = next(iter(self._of.values()))
        if person is None:
            unknown: SignInObjection | None = await first.check(None, password, peer)
            return unknown
        with suppress(DirectoryUnavailable):
            await first.check(None, password, peer)
        return WRONG
