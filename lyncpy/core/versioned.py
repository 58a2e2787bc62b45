"""Values that are kept as versioned records: held, read, decided on, written with the version that was read.

Two shapes. A `VersionedTable` is for values on which somebody decides: of two writers, the second
reads again and decides again. `LastWriter` is for values that are whole in themselves: of two
writers, the later one is right.

What a reader may rely on: a value is immutable, and is what `peek` gives until the reader waits for
something. Behind an `await` another may be there, unless the reader holds the key; so whoever has
waited looks again, or works on with what was true when they looked and says so. Nothing that
`change` has kept is less than durable, except what a decision does not want written, or calls volatile.

Of a value a part may be volatile, in a record of its own. While that cannot be written the value counts here all the same,
and is written later; so presence goes on while a shared database does not.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence, Set
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.store import Conflict, IBothRecords, IRecordStore, IStore, IVolatileStore, Record
from lyncpy.core.keyed_lock import KeyedLock

TRIES: Final = 20
"""Attempts at a change while other writers are first: of several servers each may have a device of a user who joins a meeting."""

NONE_YET: Final = Version(0)
"""The version of a record that there is not."""

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V = TypeVar("V")
R = TypeVar("R")


async def uncontended(attempt: Callable[[], Awaitable[R]]) -> R:
    """Make an attempt to read, decide and write; make it anew while another writer is first.

    Args:
        attempt: Raises Conflict when what it has read is not what is stored any more. Nothing of it counts then.

    Raises:
        Conflict: Another was first each of `TRIES` times.
    """
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except Conflict:
            continue
    return await attempt()


@dataclass(frozen=True, slots=True)
class Decision(Generic[V, R]):
    """What becomes of a value."""

    result: R
    """For whoever asked for the change."""

    value: V
    """What the value is from now on; the very one that was decided on, when nothing is new."""

    is_durable: bool = True
    """Whether what is new is to be written; otherwise it is kept in memory only."""

    is_volatile: bool = False
    """Whether what is new is to be written to the volatile record."""

    news: Sequence[Any] = ()  # Any: whatever the table's owner tells
    """What to tell once it is durable; nothing is told where nothing is new."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """A value as it was read or written last."""

    value: V
    record: str
    """Key of its record; "": there can be none, because nobody owns it."""

    version: Version
    volatile: Version = NONE_YET
    """The version of its volatile record."""

    is_written: bool = True
    """Whether its volatile record says what it does; else that is to be written again."""


class RecordForm(Protocol[K_contra, V]):
    """The form of a table's values: record keys, reading, writing and merging. Pure, but for the present meaning of names."""

    def record_key(self, key: K_contra) -> str:
        """Give the key of the record that belongs to a key now; "" when there can be none."""

    def unpack(self, key: K_contra, value: bytes | None) -> V:
        """Make a value of what is stored; None: nothing is."""

    def pack(self, value: V) -> bytes | None:
        """Write a value as bytes; None: there is to be no record."""

    def merged(self, mine: V, theirs: V) -> V:
        """Merge another process's value with what of mine is never stored."""


class VolatileForm(Protocol[K_contra, V]):
    """The form of values of which a part is volatile; beside that which they have as records. Pure, as above."""

    def unpack(self, key: K_contra, value: bytes | None, volatile: bytes | None = None) -> V:
        """Make a value of what is stored; None: nothing is."""

    def with_volatile(self, mine: V, volatile: bytes | None) -> V:
        """Give mine with the volatile part that another process has written."""

    def pack_volatile(self, value: V) -> Callable[[], bytes] | None:
        """Give what writes the volatile part as bytes; None: there is to be no record."""

    def united(self, mine: V, theirs: V) -> V:
        """Give another process's value with all changes of mine that are volatile, began in this process, and could not be written.

        Of what began in this process mine is right, also in that something is there no more.
        """


@dataclass(frozen=True, slots=True)
class VolatilePart(Generic[K, V]):
    """What a table needs for values of which a part is volatile; `both`: None where one part is read and written after the other."""

    store: IVolatileStore
    both: IBothRecords | None
    form: VolatileForm[K, V]
    unwritten: Callable[[K], None]
    """Is called with a key whose volatile record could not be written, so that `VersionedTable.rewrite` is, later."""

    read_again: Callable[[V, V], None]
    """Is called with a value before and after what another process had changed was read."""


class EntryCache(Protocol[K_contra, V]):
    """Entries that need not be read again."""

    def get(self, key: K_contra) -> Entry[V] | None:
        """Give the entry of a key that is in memory."""

    def put(self, key: K_contra, entry: Entry[V]) -> None:
        """Keep an entry, in the place of its former self if there is one."""

    def discard(self, key: K_contra) -> None:
        """Forget an entry, if it is there."""


class VersionedTable(Generic[K, V]):
    """Values of one kind: memory first, the store behind, one writer of a value at a time.

    Args:
        kind: Of the records.
        form: What is known of the values.
        memory: Where they are kept; it bounds them.
        store: What is durable.
        writers: Lets one writer of a name through at a time.
        tell: Is called with each of the news of a change.
        complete: Adds to a value that has just been read what is not in its record, before anybody sees it.
        volatile: What is volatile of the values; None: nothing.
    """

    def __init__(
        self,
        kind: str,
        form: RecordForm[K, V],
        memory: EntryCache[K, V],
        *,
        store: IRecordStore,
        writers: KeyedLock,
        tell: Callable[[Any], None],  # Any: its own news
        complete: Callable[[K, V], Awaitable[V]] | None = None,
        volatile: VolatilePart[K, V] | None = None,
    ) -> None:
        self._kind = kind
        self._form = form
        self._memory = memory
        self._store = store
        self._writers = writers
        self._tell = tell
        self._complete = complete
        self._volatile = volatile
        self._losses = 0
        """How often all volatile records were lost."""

    def hold(self, name: str, *, must: bool = False) -> AbstractAsyncContextManager[None]:
        """Lock whatever goes under a name in this process, as `KeyedLock.hold` does."""
        return self._writers.hold(self._kind, name, must=must)

    def is_held(self, name: str) -> bool:
        """Tell whether whatever goes under a name is locked."""
        return (self._kind, name) in self._writers

    async def has_volatile(self, key: K) -> bool:
        """Tell whether a value has a volatile record."""
        name, part = self._form.record_key(key), self._volatile
        return part is not None and bool((await self._read_volatile(part, name))[0])

    def peek(self, key: K) -> V | None:
        """Give the value that is in memory."""
        return entry.value if (entry := self._memory.get(key)) else None

    async def load(self, key: K) -> V:
        """Give a value, from the store if need be; hold its key before you read a value that you change."""
        return (await self._entry(key)).value

    async def reload(self, key: K, complete: Callable[[K, V], Awaitable[V]] | None = None) -> None:
        """Read a value from its record into memory, in place of any other.

        Args:
            key: Of the value.
            complete: Adds what is to be on it before anybody sees it, in place of what the table adds; None: nothing is.
        """
        entry = await self._read(key)
        if complete is not None:
            entry = replace(entry, value=await complete(key, entry.value))
        self._memory.put(key, entry)

    async def scan(self, key_of: Callable[[Record], K]) -> None:
        """Read all records into memory."""
        for record in await self._store.scan(self._kind):
            key = key_of(record)
            self._memory.put(key, Entry(self._form.unpack(key, record.value), record.key, record.version))

    async def change(self, key: K, decide: Callable[[V], Decision[V, R]]) -> R:
        """Apply a decision to a value; it is durable, in memory and told when this returns. The caller holds the key.

        Args:
            key: Of the value.
            decide: Pure. It is asked again about the newer value when another process was first; what it raises
                passes, and nothing was changed.

        Raises:
            Refused: 503, when other processes were first each time; 404, when nobody owns what was to be written.
            StoreUnavailable: It could not be written, and nothing was changed.
        """
        for _ in range(TRIES):
            entry = self._memory.get(key) or await self._entry(key)
            decision = decide(entry.value)
            if decision.value is entry.value:
                return decision.result
            try:
                written = await self._written(key, entry, decision)
            except Conflict:
                await self._reread(key, entry)
                continue
            self._memory.put(key, written)
            for one in decision.news:
                self._tell(one)
            return decision.result
        raise Refused(503, Diagnostics(1, "Too many changes at once"), headers=[("Retry-After", "5")])

    async def refresh(
        self,
        key: K,
        versions: tuple[Version, Version] | None = None,
        read_again: Callable[[V, V], None] | None = None,
    ) -> bool:
        """Read a value again that is in memory, and tell whether it was; the caller holds the key.

        Args:
            key: Of the value.
            versions: Those of its records as they are known to be: it is not read if it is of these. None: they are not known.
            read_again: Is called in the place of `VolatilePart.read_again`, by who knows more of what others have changed.

        Raises:
            StoreUnavailable: It could not be read, and stays as it was.
        """
        entry = self._memory.get(key)
        if entry is None or versions == (entry.version, entry.volatile):
            return False
        await self._reread(key, entry, durable=versions is None or versions[0] != entry.version, read_again=read_again)
        return True

    def lost(self, keys: Iterable[K]) -> None:
        """Note that no volatile record is there any more; `keys` are those of the values in memory."""
        self._losses += 1
        for key in keys:
            if (entry := self._memory.get(key)) and entry.volatile and self._volatile is not None:
                self._memory.put(key, replace(entry, volatile=NONE_YET, is_written=False))
                self._volatile.unwritten(key)

    async def rewrite(self, key: K) -> bool:
        """Write the volatile part of a value that could not be written; tell whether that was done now. The caller holds the key."""
        part = self._volatile
        if part is None or (entry := self._memory.get(key)) is None or entry.is_written:
            return False
        with suppress(StoreUnavailable):
            for _ in range(TRIES):
                try:
                    volatile = await self._volatile_written(part, entry, entry.value)
                except Conflict:
                    await self._reread(key, entry)
                    entry = self._memory.get(key) or entry
                    continue
                # Lost again meanwhile, it is written once more.
                if self._memory.get(key) is entry:
                    self._memory.put(key, replace(entry, volatile=volatile, is_written=True))
                return True
        part.unwritten(key)
        return False

    async def _written(self, key: K, entry: Entry[V], decision: Decision[V, Any]) -> Entry[V]:  # Any: not read
        """Write what is new, and give the entry of it. What is volatile comes first, for it can be taken back."""
        value, version, volatile, is_written = decision.value, entry.version, entry.volatile, entry.is_written
        part, losses = self._volatile, self._losses
        if part is not None and decision.is_volatile and decision.is_durable:
            both = await self._both_written(part, entry, value)
            if both is not None:
                return self._unless_lost(part, key, losses, both)
        if decision.is_volatile and part is not None and entry.record:
            try:
                volatile, is_written = await self._volatile_written(part, entry, value), True
            except StoreUnavailable:
                is_written = False
                part.unwritten(key)
        if decision.is_durable:
            try:
                version = await self._durably_written(entry, value)
            except (Conflict, Refused, StoreUnavailable):
                if part is not None and decision.is_volatile:
                    await self._take_back(part, key, replace(entry, volatile=volatile))
                raise
        return self._unless_lost(part, key, losses, Entry(value, entry.record, version, volatile, is_written))

    async def _both_written(self, part: VolatilePart[K, V], entry: Entry[V], value: V) -> Entry[V] | None:
        """Write both records at once; None: they are written one after the other, for one is not there, or nobody can."""
        packed, durable = part.form.pack_volatile(value), self._form.pack(value)
        if packed is None or durable is None or part.both is None or not (entry.volatile and entry.version):
            return None
        both = await part.both.write_both(self._kind, entry.record, packed, entry.volatile, durable, entry.version)
        return Entry(value, entry.record, both[1], both[0])

    def _unless_lost(self, part: VolatilePart[K, V] | None, key: K, losses: int, written: Entry[V]) -> Entry[V]:
        """Give what was written; its volatile record may have been lost as soon as that was done, or what was there before."""
        if part is not None and losses != self._losses:
            part.unwritten(key)
            written = replace(written, volatile=NONE_YET, is_written=False)
        return written

    async def _take_back(self, part: VolatilePart[K, V], key: K, entry: Entry[V]) -> None:
        """Write what was volatile before again: what was to be durable together with what has followed is not."""
        try:
            entry = replace(entry, volatile=await self._volatile_written(part, entry, entry.value), is_written=True)
        except (Conflict, StoreUnavailable):
            part.unwritten(key)
            entry = replace(entry, is_written=False)
        self._memory.put(key, entry)

    async def _volatile_written(self, part: VolatilePart[K, V], entry: Entry[V], value: V) -> Version:
        packed = part.form.pack_volatile(value)
        if packed is not None:
            written: Version = await part.store.write(self._kind, entry.record, packed, entry.volatile)
            return written
        if entry.volatile:
            await part.store.remove(self._kind, entry.record, entry.volatile)
        return NONE_YET

    async def _durably_written(self, entry: Entry[V], value: V) -> Version:
        if not entry.record:
            raise Refused(404, Diagnostics(1003, "User does not exist"))
        packed = self._form.pack(value)
        if packed is None:
            await self._store.remove(self._kind, entry.record, entry.version)
            return NONE_YET
        written: Version = await self._store.write(self._kind, entry.record, packed, entry.version)
        return written

    async def _entry(self, key: K) -> Entry[V]:
        """Give an entry; one that is not in memory is read, and kept in memory if that keeps any."""
        entry = self._memory.get(key)
        if entry is None:
            entry = await self._read(key)
            if self._complete is not None:
                entry = replace(entry, value=await self._complete(key, entry.value))
            self._memory.put(key, entry)
        return entry

    async def _read(self, key: K) -> Entry[V]:
        name, part = self._form.record_key(key), self._volatile
        if part is not None and name and part.both is not None:
            durable, found = await part.both.read_both(self._kind, name)
            (version, value), (volatile, more) = _known(durable), _known(found)
            return Entry(part.form.unpack(key, value, more), name, version, volatile)
        version, value = _known(await self._store.read(self._kind, name) if name else None)
        if part is None:
            return Entry(self._form.unpack(key, value), name, version)
        volatile, more = await self._read_volatile(part, name)
        return Entry(part.form.unpack(key, value, more), name, version, volatile)

    async def _read_volatile(self, part: VolatilePart[K, V], name: str) -> tuple[Version, bytes | None]:
        return _known(await part.store.read(self._kind, name) if name else None)

    async def _reread(
        self,
        key: K,
        entry: Entry[V],
        *,
        durable: bool = True,
        read_again: Callable[[V, V], None] | None = None,
    ) -> None:
        """Merge in the value that another process has written.

        Args:
            key: Of the value.
            entry: As it was known before.
            durable: Whether its durable record may be another one, too.
            read_again: Is called with the value before and after; None: what the table calls is.
        """
        part = self._volatile
        if part is None or durable:
            theirs = await self._read(key)
            # What became of mine while that was read counts, too: its volatile record may have been lost.
            mine = self._memory.get(key) or entry
            value = self._form.merged(mine.value, theirs.value)
        else:
            volatile, more = await self._read_volatile(part, entry.record)
            mine = self._memory.get(key) or entry
            theirs, value = replace(mine, volatile=volatile), part.form.with_volatile(mine.value, more)
        if part is not None and not mine.is_written:
            value = part.form.united(mine.value, value)
        self._memory.put(key, replace(theirs, value=value, is_written=mine.is_written))
        if part is not None:
            (read_again or part.read_again)(mine.value, value)


def _known(record: Record | None) -> tuple[Version, bytes | None]:
    return (NONE_YET, None) if record is None else (record.version, record.value)


class LastWriter:
    """Records of one kind that are written whole: the last writer wins, whatever was there.

    Args:
        store: Where they are.
        kind: Theirs.
    """

    def __init__(self, store: IStore, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._versions: dict[str, Version] = {}

    @property
    def keys(self) -> Set[str]:
        """Keys of the records that are there, as far as they were read or written by this."""
        return self._versions.keys()

    def version(self, key: str) -> Version:
        """Give the version that a record had when it was read or written last; 0: there was none."""
        return self._versions.get(key, NONE_YET)

    async def scan(self) -> Sequence[Record]:
        """Read all records of the kind."""
        records: Sequence[Record] = await self._store.scan(self._kind)
        self._versions.update((record.key, record.version) for record in records)
        return records

    async def read(self, key: str) -> Record | None:
        """Read a record."""
        record: Record | None = await self._store.read(self._kind, key)
        self._know(key, record)
        return record

    async def write(self, key: str, value: bytes | None) -> None:
        """Write a record, or remove it; durable when this returns.

        Raises:
            StoreUnavailable: It cannot be written, or others write it all the time.
        """

        async def attempt() -> None:
            version = self._versions.get(key, NONE_YET)
            try:
                await self._put(key, value, version)
            except Conflict:
                await self.read(key)
                raise

        try:
            await uncontended(attempt)
        except Conflict:
            raise StoreUnavailable(f'others write the record "{self._kind}" of {key} all the time') from None

    async def _put(self, key: str, value: bytes | None, version: Version) -> None:
        if value is None:
            await self._store.remove(self._kind, key, version)
            self._versions.pop(key, None)
        else:
            self._versions[key] = await self._store.write(self._kind, key, value, version)

    def _know(self, key: str, record: Record | None) -> None:
        if record is None:
            self._versions.pop(key, None)
        else:
            self._versions[key] = record.version
