"""What tests of the directory share: a directory in memory, a seal that hides nothing, and facts that are kept."""

import hmac
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from lyncpy.auth.ntlm import nt_hash, ntowf_v2
from lyncpy.backends.ldap_mapping import Mapped, mapped
from lyncpy.contracts.bus import BusTimeout, F, IBus, IListening, Interest
from lyncpy.contracts.directory import Group, IDirectory, IDirectoryPasswords, Person, Pull, SignInObjection, Skipped
from lyncpy.contracts.facts import Fact, PersonChanged
from lyncpy.contracts.names import Aor, NodeName, aor_of, bare
from lyncpy.contracts.ntlm import INtlmVerifier, NtlmResponse
from lyncpy.contracts.photos import FoundPhoto, IPhotoSource
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.workloads.directory.settings import Settings

T = TypeVar("T")


def person(user: str, **facts: Any) -> Person:
    """Give a person of example.com."""
    return Person(**{"aor": aor_of(f"{user}@example.com"), "key": f"key-{user}", "source": f"uid={user}", **facts})


def mapping_of(preset: str, **options: Any) -> Mapped:
    """Give the mapping of LDAP entries of a preset with these settings of the section [directory]."""
    return mapped(Settings.model_validate({"preset": preset, **options}), ("example.com",))


def done(work: Generator[int, None, T]) -> T:
    """Do sliced work in one go, and give its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


class PlainSeals:
    """Seals by writing the name in front."""

    def seal(self, plain: bytes, about: str = "") -> bytes:
        """Put the name in front."""
        return about.encode() + b"|" + plain

    def unseal(self, sealed: bytes, about: str = "") -> bytes:
        """Take it off."""
        assert sealed.startswith(about.encode() + b"|")
        return sealed.removeprefix(about.encode() + b"|")


@implementer(IListening)
class _Deaf:
    def stop(self) -> None:
        """Nothing was begun."""


@implementer(IBus)
class Facts:
    """A bus that keeps what it was told."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.told: list[Fact] = []

    def tell(self, fact: Fact) -> None:
        """Keep it."""
        self.told.append(fact)

    def send(self, node: NodeName, data: bytes) -> bool:
        """Nobody else is there."""
        return False

    def receive(self, hear: object) -> None:
        """Nobody sends anything."""

    def tell_here(self, fact: Fact) -> None:
        """Keep it."""
        self.told.append(fact)

    def note(self, words: Callable[[], str], *about: str) -> None:
        """Nobody traces."""

    def listen(self, kind: type[F], hear: Callable[[F], Awaitable[None] | None], *about: Interest) -> IListening:
        """Nobody hears anything here."""
        listening: IListening = _Deaf()
        return listening

    def answer(self, kind: object, give: object) -> None:
        """Nobody is asked."""

    def others(self) -> tuple[()]:
        """Nobody else is there."""
        return ()

    async def ask(self, node: NodeName | None, question: Any, timeout: float) -> Any:
        """Nobody answers."""
        raise BusTimeout

    def clear(self) -> None:
        """Forget what was told."""
        self.told.clear()

    def changed(self) -> list[PersonChanged]:
        """Give what was told about people."""
        return [fact for fact in self.told if isinstance(fact, PersonChanged)]

    def about(self) -> list[tuple[Aor, bool]]:
        """Give whom facts were told about, and whether he is still there."""
        return [(fact.aor, fact.is_known) for fact in self.changed()]


@implementer(IDirectory)
class FakeDirectory:
    """People as a test sets them; each pull is complete unless an answer was prepared."""

    def __init__(self, *people: Person) -> None:
        """Begin with these."""
        self.people = list(people)
        self.groups: list[Group] | None = None
        self.skipped: list[Skipped] = []
        self.answers: list[Pull] = []
        self.cookies: list[str] = []
        self.counting: list[bool | None] = []
        self.down = ""
        self.gate: Deferred[None] | None = None
        self.running = 0
        self.most_running = 0
        self.closed = False

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Give the prepared answer, or everybody."""
        self.cookies.append(cookie)
        self.counting.append(counting)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate
            if self.down:
                raise DirectoryUnavailable(self.down)
            if self.answers:
                return self.answers.pop(0)
            return Pull(
                tuple(self.people),
                frozenset(),
                complete=True,
                skipped=tuple(self.skipped),
                groups=None if self.groups is None else tuple(self.groups),
                cookie=f"cookie-{len(self.cookies)}",
            )
        finally:
            self.running -= 1

    async def close(self) -> None:
        """Let a pull under way fail."""
        self.closed = True
        if self.gate is not None and not self.gate.called:
            self.gate.errback(DirectoryUnavailable("closed"))


@implementer(IDirectoryPasswords)
class FakePasswords:
    """Passwords that a directory keeps, and what it says to all others.

    Args:
        says: Of every password that is not among those; None: it is right, too. An error is raised whatever is asked.
        right: Passwords of people of example.com.
    """

    def __init__(self, says: SignInObjection | DirectoryUnavailable | None = None, **right: str) -> None:
        self.says = says
        self.right = right
        self.asked: list[tuple[Aor | None, str]] = []

    async def check(self, person: Person | None, password: str, peer: str) -> SignInObjection | None:
        """Compare, or say it."""
        self.asked.append((None if person is None else person.aor, password))
        if isinstance(self.says, DirectoryUnavailable):
            raise self.says
        if person is not None and self.right.get(person.key.removeprefix("key-")) == password:
            return None
        return self.says


JPEG: Final = b"\xff\xd8\xff\xe0\x00\x04JF\xff\xc0\x00\x0b\x08\x00\x30\x00\x40\x01\x01\x11\x00\xff\xda\xff\xd9"
"""As short as a picture can be; by its header it is 64 points wide and 48 high."""


@implementer(IPhotoSource)
class FakePhotos:
    """Photos of entries as a test sets them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.of: dict[str, bytes] = {}
        self.reads: list[tuple[str, ...]] = []
        self.down = ""
        self.gate: Deferred[None] | None = None
        self.closed = False

    async def read(self, people: Sequence[Person], fits: Callable[[bytes], str]) -> tuple[FoundPhoto, ...]:
        """Give those that fit."""
        sources = [person.source for person in people]
        self.reads.append(tuple(sources))
        if self.gate is not None:
            await self.gate
        if self.down:
            raise DirectoryUnavailable(self.down)
        objections = [(self.of.get(source, b""), source in self.of and fits(self.of[source])) for source in sources]
        return tuple(
            FoundPhoto(objection=objection) if objection else FoundPhoto(data) for data, objection in objections
        )

    async def close(self) -> None:
        """Stop."""
        self.closed = True


class Inline:
    """Calls what blocks at once, in this thread."""

    def call_in_thread(self, call: Callable[[], T]) -> Deferred[T]:
        """Call, and give the result."""
        return execute(call)

    async def stop(self) -> None:
        """Nothing was begun."""


@implementer(INtlmVerifier)
class FakeDomain:
    """A Windows domain that has passwords of people, and what it says to all others.

    Args:
        says: Of every response that proves none of them. An error is raised whatever is asked; None: it has no such people.
        right: Passwords, by the names before the @ of people's addresses.
    """

    def __init__(self, says: SignInObjection | DirectoryUnavailable | None = None, **right: str) -> None:
        self.says = says
        self.right = right
        self.asked: list[tuple[Aor | None, str, str]] = []

    async def verify(self, person: Person | None, given: NtlmResponse, peer: str) -> bytes | SignInObjection | None:
        """Compare as a controller does, or say it."""
        self.asked.append((None if person is None else person.aor, given.user, peer))
        if isinstance(self.says, DirectoryUnavailable):
            raise self.says
        password = "" if person is None else self.right.get(bare(person.aor).partition("@")[0], "")
        key = ntowf_v2(nt_hash(password), given.user.upper(), given.domain)
        proof = hmac.digest(key, given.challenge + given.response[16:], "md5")
        return hmac.digest(key, proof, "md5") if password and proof == given.response[:16] else self.says
