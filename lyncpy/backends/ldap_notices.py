"""IDirectoryNotices over LDAP: a search that does not end, on a connection of its own, in a thread of its own.

OpenLDAP tells of changes by content synchronisation (RFC 4533), which starts from where it stands now: that it names in
`contextCSN`, and without it everybody would be sent at each start. 389 Directory Server and FreeIPA tell by persistent search
(draft-ietf-ldapext-psearch-03), which starts now and takes nothing; their content synchronisation has cookies that only they can
write. Active Directory and Samba tell by change notification ([MS-ADTS] 3.1.1.3.4.1.9), of everything in the domain and of each
entry as it is now. Nothing of an entry is believed here: a notice leads to a pull.
"""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from ldap3 import DEREF_NEVER, SUBTREE
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import search_operation
from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.ldap_access import Filters, LdapOptions, filters_of
from lyncpy.backends.ldap_conditions import any_of
from lyncpy.backends.ldap_link import GARBAGE, Access, Controls, DirectoryConnection, LdapConnection, Root
from lyncpy.backends.ldap_messages import ENUMERATED, OCTETS, SEQUENCE, LdapMessage, Operation, read_message, read_value
from lyncpy.backends.people import BlockingRunner
from lyncpy.contracts.directory import DirectoryNotice, IDirectoryNotices
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.refusal import DirectoryUnavailable, NoNotices
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.text import shown

SYNC: Final = "1.3.6.1.4.1.4203.1.9.1.1"
SYNC_STATE: Final = "1.3.6.1.4.1.4203.1.9.1.2"
NOTIFICATION: Final = "1.2.840.113556.1.4.528"
SHOW_DELETED: Final = "1.2.840.113556.1.4.417"
PERSISTENT: Final = "2.16.840.1.113730.3.4.3"
CHANGE: Final = "2.16.840.1.113730.3.4.7"
"""The control of each entry that a persistent search gives: what became of it."""

AT_ONCE: Final = 10_000
"""Messages that become one notice, at most."""

REFUSAL_S: Final = 1.0
"""So long Active Directory may take to refuse; what it grants it does not answer."""

T = TypeVar("T")
M = TypeVar("M")

KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
"""A server that is gone without a word is missed within two minutes."""

_REFRESH_AND_PERSIST: Final = b"\x03"
_REFRESH_REQUIRED: Final = 4096
_REFRESHED: Final = (0xA1, 0xA2)
"""refreshDelete and refreshPresent, a syncInfoValue (RFC 4533 §2.5)."""

_NOT_YET: Final = b"\x01\x01\x00"
"""refreshDone FALSE; it is TRUE where it is left out."""

_ID_SET: Final = 0xA3
_PRESENT, _DELETED = b"\x00", b"\x03"

_FROM_NOW: Final = b"\x30\x09\x02\x01\x0f\x01\x01\xff\x01\x01\xff"
"""Of a persistent search: all kinds of changes, nothing that stands there already, and with each entry the kind."""

_GONE, _MOVED = b"\x02", b"\x08"
"""Kinds of changes: an entry was deleted, or was renamed and may stand elsewhere."""

_OURS: Final = frozenset({b"person", b"group"})
"""Object classes of all that a person, a contact or a group can be in Active Directory."""


@dataclass(frozen=True, slots=True)
class WatchedSearch:
    """What a server is asked to tell of."""

    base: str
    filters: str
    attributes: tuple[str, ...]
    controls: Controls


class WatchedConnection(DirectoryConnection, Protocol):
    """A connection on which searches go on; `NoticeConnection` says the rest."""

    def begin(self, search: WatchedSearch) -> None:
        """Ask, and do not wait for the answer."""

    def receive(self, wait_s: float | None) -> LdapMessage | None:
        """Give what comes next; None when nothing came in time."""

    def persist(self) -> None:
        """Have what comes from now on be bounded message by message: the searches last as long as the server."""


class NoticeConnection(LdapConnection):
    """A connection on which searches go on."""

    def begin(self, search: WatchedSearch) -> None:
        """Begin a search.

        Raises:
            DirectoryUnavailable: The connection is lost.
        """
        if self._aborted:
            raise DirectoryUnavailable(self._aborted)
        try:
            sock = self._connection.socket.sock
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEP_ALIVE:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            request = search_operation(
                search.base,
                search.filters,
                SUBTREE,
                DEREF_NEVER,
                list(search.attributes),
                size_limit=0,
                time_limit=0,
                types_only=False,
                auto_escape=True,
                auto_encode=True,
            )
            self._connection.send("searchRequest", request, search.controls)
        except (LDAPException, OSError, *GARBAGE) as error:
            raise self._failed(error, search.base, search.filters) from error

    def receive(self, wait_s: float | None) -> LdapMessage | None:
        """Give the next message; None when none has begun to come in time. None as time: it waits until `abort`.

        Raises:
            DirectoryUnavailable: The connection is lost.
        """
        try:
            frames = self._connection.socket
            if not _has_more(frames.sock, wait_s):
                return None
            data = frames.recv(0)
            if not data:
                raise ConnectionResetError("it has closed the connection")
            return read_message(data)
        except (OSError, *GARBAGE) as error:
            raise self._failed(error) from error

    def persist(self) -> None:
        """Bound what comes from now on message by message."""
        self._connection.socket.count_each()


def _has_more(sock: Any, wait_s: float | None) -> bool:  # Any: TCP or TLS
    """Wait until there is something to read, or the end."""
    if getattr(sock, "pending", int)():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(None if wait_s is None else wait_s * 1000))


class Telling(Protocol):
    """How a kind of server tells of changes."""

    by: str
    patience_s: float
    """How long to wait for the first answers."""

    def searches(self, link: DirectoryConnection, root: Root) -> Iterator[WatchedSearch]:
        """Say what to ask for."""

    def is_ready(self, message: LdapMessage | None) -> bool:
        """Tell whether a search that was begun is taken, by what comes then; None: nothing came for a while."""

    def notice(self, message: LdapMessage) -> DirectoryNotice | None:
        """Say what a message tells; None: nothing of ours."""


class Synchronisation:
    """RFC 4533, refreshAndPersist, as OpenLDAP does it with the overlay syncprov."""

    by = "content synchronisation"

    def __init__(self, terms: LdapOptions, filters: Filters) -> None:
        self._terms = terms
        self._filters = filters
        self.patience_s = float(terms.answer_timeout_s)

    def searches(self, link: DirectoryConnection, root: Root) -> Iterator[WatchedSearch]:
        """Ask for people and groups, each base once, from where the tree stands."""
        wanted: dict[str, list[str]] = {}
        bases = self._terms.bases or root.bases
        for one, places in (
            (self._filters.people, bases),
            (self._filters.groups, self._terms.group_bases or bases),
        ):
            for base in places if one else ():
                wanted.setdefault(base, []).append(one)
        for base, filters in wanted.items():
            value = _value(ENUMERATED, _REFRESH_AND_PERSIST) + _value(OCTETS, self._cookie(link, root, base))
            control = (SYNC, True, _value(SEQUENCE, value))
            # No attributes (RFC 4511 §4.5.1.8): that an entry has changed is enough.
            yield WatchedSearch(base, any_of(filters), ("1.1",), (control,))

    def _cookie(self, link: DirectoryConnection, root: Root, base: str) -> bytes:
        """Say from where on, in the form that slapd(8) describes for `-c`."""
        context = _tree_of(root, base)
        found = (link.glimpse(context, ("contextCSN",)) or {}).get("contextcsn")
        if not found:
            raise NoNotices(
                f'{self._terms.url} does not show contextCSN of "{shown(context)}": let bind_dn read it, and have the overlay'
                " syncprov on that database"
            )
        return b"rid=000,csn=" + b";".join(found)

    def is_ready(self, message: LdapMessage | None) -> bool:
        """Tell whether all that stands there now has been told."""
        if message is None:
            raise DirectoryUnavailable(f"{self._terms.url} begins to tell of changes and does not go on")
        tag, value, _ = read_value(message.value) if message.operation == Operation.INTERMEDIATE else (0, b"", 0)
        return tag in _REFRESHED and not value.endswith(_NOT_YET)

    def notice(self, message: LdapMessage) -> DirectoryNotice | None:
        """Read a Sync State Control, or a set of those that are gone (RFC 4533 §2.2, §2.5)."""
        if message.operation == Operation.ENTRY:
            state = message.controls.get(SYNC_STATE, b"")
            kind = read_value(read_value(state)[1])[1] if state else b""
            return None if kind == _PRESENT else DirectoryNotice(self.by, gone=kind == _DELETED)
        if message.operation == Operation.INTERMEDIATE and message.value[:1] == bytes((_ID_SET,)):
            return DirectoryNotice(self.by, gone=True)
        return None


class Notification:
    """[MS-ADTS] 3.1.1.3.4.1.9: of a whole domain, with this one filter; in a part of it only Samba would tell."""

    by = "change notification"
    patience_s = REFUSAL_S

    def __init__(self, terms: LdapOptions) -> None:
        self._terms = terms
        self._places: tuple[str, ...] = ()

    def searches(self, link: DirectoryConnection, root: Root) -> Iterator[WatchedSearch]:
        """Ask for the domain; the account hears of what is deleted if it may read that."""
        bases = self._terms.bases or root.bases
        self._places = tuple(map(place_of, (*bases, *self._terms.group_bases)))
        controls = ((NOTIFICATION, True, None), (SHOW_DELETED, False, None))
        for base in root.bases[:1]:
            yield WatchedSearch(base, "(objectClass=*)", ("objectClass", "isDeleted"), controls)

    def is_ready(self, message: LdapMessage | None) -> bool:
        """Take silence as consent."""
        return True

    def notice(self, message: LdapMessage) -> DirectoryNotice | None:
        """Take what is elsewhere for one of ours that was moved there: who is disabled often is."""
        if message.operation != Operation.ENTRY:
            return None
        classes = {value.lower() for value in message.attributes.get("objectclass", ())}
        if classes and (b"computer" in classes or not classes & _OURS):
            return None
        place = place_of(message.dn)
        is_here = any(is_under(place, one) for one in self._places)
        return DirectoryNotice(self.by, gone="isdeleted" in message.attributes or not is_here)


class PersistentSearch:
    """draft-ietf-ldapext-psearch-03, of the whole trees that people and groups are in: who is moved out is heard of."""

    by = "persistent search"
    patience_s = REFUSAL_S

    def __init__(self, terms: LdapOptions, filters: Filters) -> None:
        self._terms = terms
        self._filters = filters
        self._places: tuple[str, ...] = ()

    def searches(self, link: DirectoryConnection, root: Root) -> Iterator[WatchedSearch]:
        """Ask for people and groups, each tree once, from now on."""
        bases = (*(self._terms.bases or root.bases), *self._terms.group_bases)
        self._places = tuple(map(place_of, bases))
        filters = any_of([one for one in (self._filters.people, self._filters.groups) if one])
        for tree in dict.fromkeys(_tree_of(root, base) for base in bases):
            # No attributes (RFC 4511 §4.5.1.8): that an entry has changed is enough.
            yield WatchedSearch(tree, filters, ("1.1",), ((PERSISTENT, True, _FROM_NOW),))

    def is_ready(self, message: LdapMessage | None) -> bool:
        """Take silence as consent."""
        return True

    def notice(self, message: LdapMessage) -> DirectoryNotice | None:
        """Read an Entry Change Notification; of what is elsewhere only those count who may have been moved there."""
        if message.operation != Operation.ENTRY:
            return None
        control = message.controls.get(CHANGE, b"")
        kind = read_value(read_value(control)[1])[1] if control else b""
        place = place_of(message.dn)
        if any(is_under(place, one) for one in self._places):
            return DirectoryNotice(self.by, gone=kind == _GONE)
        return DirectoryNotice(self.by, gone=True) if kind == _MOVED else None


def is_under(place: str, base: str) -> bool:
    """Tell whether a place (`place_of`) is that of an entry under a DN, or its own."""
    top = place_of(base)
    return not top or place == top or place.endswith(f",{top}")


def _tree_of(root: Root, base: str) -> str:
    """Give the DN of the tree that a base is in, as the server calls it."""
    holding = [one for one in root.contexts if is_under(place_of(base), one)]
    return max(holding, key=len, default=base)


def _value(tag: int, content: bytes) -> bytes:
    """Write a value in BER."""
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content


class _Watch:
    """One connection that is told of changes, in its thread."""

    def __init__(self, link: WatchedConnection, terms: LdapOptions, filters: Filters) -> None:
        self._link = link
        self._terms = terms
        self._filters = filters
        self._telling: Telling = Notification(terms)
        self._opened = ExitStack()
        self.abort: Final = link.abort

    def begin(self) -> DirectoryNotice:
        """Connect, and ask."""
        with ExitStack() as opened:
            root = opened.enter_context(self._link).root()
            telling = self._telling = self._chosen(root)
            searches = tuple(telling.searches(self._link, root))
            for one in searches:
                self._link.begin(one)
            left = len(searches)
            while left:
                message = self._link.receive(telling.patience_s)
                self._check(message, NoNotices)
                left -= self._understood(telling.is_ready, message)
            self._link.persist()
            self._opened = opened.pop_all()
        return DirectoryNotice(telling.by, is_first=True)

    def _chosen(self, root: Root) -> Telling:
        if PERSISTENT in root.controls:
            return PersistentSearch(self._terms, self._filters)
        if SYNC in root.controls:
            return Synchronisation(self._terms, self._filters)
        if NOTIFICATION in root.controls:
            return Notification(self._terms)
        raise NoNotices(
            f"{self._terms.url} offers neither content synchronisation (of OpenLDAP: the overlay syncprov), persistent search nor change notification"
        )

    def next(self) -> DirectoryNotice:
        """Wait for a notice; what has come with it is the same one."""
        try:
            notice = None
            while notice is None:
                notice = self._heard(self._link.receive(None))
            for _ in range(AT_ONCE):
                message = self._link.receive(0)
                if message is None:
                    break
                more = self._heard(message)
                notice = notice if more is None or notice.gone else more
        except BaseException:
            self.close()
            raise
        return notice

    def _heard(self, message: LdapMessage | None) -> DirectoryNotice | None:
        self._check(message, DirectoryUnavailable)
        return None if message is None else self._understood(self._telling.notice, message)

    def _understood(self, read: Callable[[M], T], message: M) -> T:
        try:
            return read(message)
        except ValueError:
            raise DirectoryUnavailable(f"{self._terms.url} tells of changes in a way that nobody knows") from None

    def _check(self, message: LdapMessage | None, refused: type[DirectoryUnavailable]) -> None:
        """Check that a search goes on."""
        if message is None or message.operation not in (Operation.DONE, Operation.EXTENDED):
            return
        if message.code == _REFRESH_REQUIRED or message.operation == Operation.EXTENDED:
            refused = DirectoryUnavailable
        told = f": {shown(message.told)}" if message.told else ""
        raise refused(f"{self._terms.url} does not go on telling of changes (result {message.code}{told})")

    def close(self) -> None:
        """Close the connection."""
        self._opened.close()


@implementer(IDirectoryNotices)
class LdapNotices:
    """Hears of changes from an LDAP server.

    Args:
        terms: The settings.
        access: Says how to reach the server now.
        connect: Makes the connection.
        threads: Where it is waited, for as long as nothing changes.
        timers: Limits how long it takes to begin.
    """

    def __init__(
        self,
        terms: LdapOptions,
        access: Callable[[], Access],
        connect: Callable[[Access], WatchedConnection],
        threads: BlockingRunner,
        timers: ITimers,
    ) -> None:
        self._terms = terms
        self._access = access
        self._connect = connect
        self._threads = threads
        self._timers = timers
        self._watch: _Watch | None = None
        self._waiting: Deferred[None] | None = None
        self._closed = False

    async def wait(self) -> DirectoryNotice:
        """Wait for the next notice; see the promise."""
        if self._closed or self._waiting is not None:
            raise DirectoryUnavailable(f"{self._terms.url} is being closed, or waited for already")
        waiting = self._waiting = Deferred()
        try:
            if self._watch is not None:
                return await self._threads.call_in_thread(self._watch.next)
            self._watch = _Watch(self._connect(self._access()), self._terms, filters_of(self._terms))
            return await self._begun(self._watch)
        except BaseException:
            if self._watch is not None:
                self._watch.abort("nobody waits for changes")
            self._watch = None
            raise
        finally:
            self._waiting = None
            waiting.callback(None)

    async def _begun(self, watch: _Watch) -> DirectoryNotice:
        limit_s = self._terms.pull_timeout_s
        slow = f"{self._terms.url} took longer than {limit_s} s to begin telling of changes: see why, or raise pull_timeout_s ([directory])"
        late = self._timers.later(limit_s, lambda: watch.abort(slow))
        try:
            return await self._threads.call_in_thread(watch.begin)
        finally:
            late.cancel()

    async def close(self) -> None:
        """Cut the connection, wait for its thread to notice, and end that."""
        self._closed = True
        watch, waiting = self._watch, self._waiting
        if watch is not None and waiting is not None:
            watch.abort(f"{self._terms.url} is being closed")
            await waiting
        elif watch is not None:
            await self._threads.call_in_thread(watch.close)
        await self._threads.stop()
