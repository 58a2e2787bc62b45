"""One connection to an LDAP server, for one pull, in one thread.

A connection is never repaired and never kept: it is opened, used and thrown away. Whatever
goes wrong becomes `DirectoryUnavailable` with a sentence that names the server, the
setting and what to do. Nothing here waits without a limit.
"""

import socket
import ssl
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

from ldap3 import BASE, DEREF_NEVER, NONE, SUBTREE, SYNC, Connection
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInvalidDnError,
    LDAPInvalidFilterError,
    LDAPStartTLSError,
)
from ldap3.utils.dn import parse_dn

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_faults import PEOPLE, SearchSettings, bind_fault, certificate_fault, remedy_for, words_of
from lyncpy.backends.ldap_frames import Frames
from lyncpy.backends.ldap_reach import AnyAddress, LastAddress, VerifiedTls
from lyncpy.backends.ldap_verdicts import PASSWORD_POLICY
from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.networks import is_loopback
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.sip.text import shown

EMPTY_PAGES: Final = 1_000
"""Pages without an entry, one after the other, beyond which the server is going round in a circle. Active Directory gives
some where it looks through much that does not fit (RFC 2696 §3)."""

PORTS: Final = {"ldap": 389, "ldaps": 636}
PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
ROOT_ATTRIBUTES: Final = (
    *("namingContexts", "defaultNamingContext", "supportedControl"),
    *("dsServiceName", "highestCommittedUSN", "currentTime"),
)

GARBAGE: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What ldap3's decoder raises for bytes that are no LDAP."""


Controls = Sequence[tuple[str, bool, bytes | None]] | None
"""Of a request: OID, whether it is critical, value."""

_ASKS_POLICY: Final = ((PASSWORD_POLICY, False, None),)


@dataclass(frozen=True, slots=True)
class Access:
    """How the server is reached. Files are absolute; the password is never shown."""

    url: str
    start_tls: bool = False
    insecure: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    connect_timeout_s: int = 5
    answer_timeout_s: int = 15
    page_size: int = 500
    entry_bytes: int = 16_777_216
    pull_bytes: int = 1_073_741_824
    last: LastAddress = field(default_factory=LastAddress, repr=False, compare=False)
    """Shared by all connections that shall go to the same of several servers."""


@dataclass(frozen=True, slots=True)
class Root:
    """What the server tells about itself (the root DSE)."""

    bases: tuple[str, ...]
    service: str
    """Active Directory: which domain controller this is, and which life of it: restored from a backup it begins another."""

    usn: int | None
    """Active Directory: the number of the last change on this controller."""

    contexts: tuple[str, ...] = ()
    """DNs of all trees that are here."""

    controls: frozenset[str] = frozenset()
    """OIDs of the controls that it takes."""

    clock: datetime | None = None
    """What its clock says, where it tells."""


@dataclass(frozen=True, slots=True)
class LdapEntry:
    """One entry of an answer."""

    dn: str
    raw: Raw


def is_dn(text: str) -> bool:
    """Tell whether this can be asked for as a DN."""
    try:
        return bool(parse_dn(text))
    except LDAPInvalidDnError:
        return False


class DirectoryConnection(Protocol):
    """What a pull reads from; a context manager, which connects when it is entered. `LdapConnection` says the rest."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def abort(self, reason: str) -> None:
        """Make the pull fail, from another thread."""

    def root(self) -> Root:
        """Read what the server says of itself."""

    def search(
        self, base: str, filters: str, attributes: Sequence[str], named: SearchSettings = PEOPLE
    ) -> Iterable[LdapEntry]:
        """Give all entries under a base that fit, of which these settings speak."""

    def entry(self, dn: str, attributes: Sequence[str]) -> Raw:
        """Read attributes of one entry; none when it is gone."""

    def glimpse(self, dn: str, attributes: Sequence[str]) -> Raw | None:
        """Read attributes of one entry; None when it cannot be seen."""


class LdapConnection:
    """An open, bound LDAP connection; a context manager, which connects when it is entered."""

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.url)
        self._access = access
        self._secure = parts.scheme == "ldaps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or PORTS[parts.scheme]
        self._connection: Any = None  # Any: ldap3 has no types
        self._aborted = ""
        self._address: object = None

    def __enter__(self) -> Self:
        result = self._dial()
        if result["result"] != 0:
            self._close()
            raise self._refused(result, "the bind", bind_fault(result, self._access.password))
        return self

    def bind_once(self) -> Mapping[str, Any]:
        """Connect, bind, and close again; give the server's answer to the bind, its controls among it.

        Raises:
            DirectoryUnavailable: It gave none.
        """
        try:
            return self._dial(_ASKS_POLICY)
        finally:
            self._close()

    def unclear(self, result: Mapping[str, Any]) -> DirectoryUnavailable:
        """Say of an answer to a bind that tells nothing of the password what it is."""
        return self._refused(result, "to check a password")

    def _dial(self, controls: Controls = None) -> Mapping[str, Any]:
        """Connect and bind; give the answer to the bind."""
        if self._aborted:
            raise DirectoryUnavailable(self._aborted)
        access = self._access
        if not (self._secure or access.start_tls or access.insecure or is_loopback(self._host)):
            raise self._unavailable(
                "would be read without encryption",
                "set start_tls = true, use ldaps://, or allow it with insecure = true",
            )
        tls = self._tls()
        try:
            server = AnyAddress(
                access.last,
                self._host,
                port=self._port,
                use_ssl=self._secure,
                tls=tls,
                get_info=NONE,
                connect_timeout=access.connect_timeout_s,
            )
            self._connection = Connection(
                server,
                user=access.bind_dn or None,
                # As bytes, which go out as they are: the library would map some letters to others (RFC 4513 §5.1.1),
                # where directories keep passwords as they were typed.
                password=access.password.encode() or None,
                # The results stay on the connection, which is safe here: one thread uses it. SAFE_SYNC would
                # copy each of them deeply, more than a third of a pull's time.
                client_strategy=SYNC,
                receive_timeout=access.answer_timeout_s,
                auto_referrals=False,
                check_names=False,
                auto_range=False,
                return_empty_attributes=False,
            )
            self._connection.strategy._open_socket = self._open_socket
            self._connection.open(read_server_info=False)
            if access.start_tls and not self._secure:
                self._connection.start_tls(read_server_info=False)
            frames = Frames(
                self._connection.socket,
                entry_bytes=access.entry_bytes,
                pull_bytes=access.pull_bytes,
                refuse=self._too_much,
            )
            self._use(frames)
            self._connection.bind(read_server_info=False, controls=controls)
            result: Mapping[str, Any] = self._connection.result
            self._access.last.answered(self._address)
        except (LDAPException, OSError, *GARBAGE) as error:
            self._close()
            if self._address is not None:
                self._access.last.failed(self._address)
            raise self._failed(error) from error
        return result

    def _tls(self) -> VerifiedTls:
        """Give what checks the server's certificate."""
        file = self._access.ca_file
        try:
            return VerifiedTls(file, self._host, self._use)
        except (OSError, ssl.SSLError) as error:
            raise self._unavailable(
                f'cannot be checked: the CA file "{file}" cannot be read ({fault_of(error)})', "correct ca_file"
            ) from error

    def _open_socket(self, address: Any, use_ssl: bool = False, unix_socket: bool = False) -> None:  # noqa: FBT002 - ldap3 calls it; Any: what it keeps of an address
        """Connect to one address of the server, so that `abort` ends this at any moment."""
        sock = socket.socket(*address[:3])
        try:
            self._use(sock)
            sock.settimeout(self._access.connect_timeout_s)
            sock.connect(address[4])
            # Cut just before it began, it looks like one that was made.
            self._use(sock)
            sock.settimeout(self._access.answer_timeout_s)
            if use_ssl:
                self._connection.server.tls.wrap_socket(self._connection)
        except BaseException:
            self._close()
            raise
        self._address = address[4]
        self._connection.closed = False

    def _use(self, sock: socket.socket | Frames) -> None:
        """Have a socket as the connection's, unless that was cut."""
        # Here first the socket and then the reason, in `abort` the other way round: at least one of them sees the other.
        self._connection.socket = sock
        if self._aborted:
            raise ConnectionAbortedError(self._aborted)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # No unbind: it would be sent with the same connection that may just have failed.
        self._close()

    def _too_much(self, setting: str) -> None:
        """Name the bound that the server's answer passed; the read under way fails."""
        access = self._access
        self._aborted = str(
            self._unavailable(
                f"sends an entry of more than {access.entry_bytes} bytes",
                "make filters narrower, see which attribute is so long, or raise entry_bytes",
            )
            if setting == "entry_bytes"
            else self._unavailable(
                f"sends more than {access.pull_bytes} bytes for one pull",
                "make filters and bases narrower, or raise pull_bytes",
            )
        )

    def abort(self, reason: str) -> None:
        """Make the pull fail for a reason, from another thread: a read that waits wakes, and no other begins."""
        self._aborted = reason
        sock = self._connection.socket if self._connection is not None else None
        if sock is not None:
            # Not closed: the number could be another socket's before the thread has noticed.
            _shut(sock)

    def _close(self) -> None:
        sock = self._connection.socket if self._connection is not None else None
        if sock is not None:
            _shut(sock)
            sock.close()

    def root(self) -> Root:
        """Read the root DSE (RFC 4512 §5.1); many of its attributes may be absent."""
        found = {
            name.lower(): values
            for one in self._page("", "(objectClass=*)", BASE, ROOT_ATTRIBUTES)[0]
            for name, values in one.raw.items()
        }

        def texts(name: str) -> list[str]:
            return [value.decode("utf-8", "replace") for value in found.get(name.lower(), ())]

        usn = next(iter(texts("highestCommittedUSN")), "")
        return Root(
            bases=tuple(texts("defaultNamingContext") or texts("namingContexts")),
            service=self._service(next(iter(texts("dsServiceName")), "")),
            usn=int(usn) if usn.isdecimal() else None,
            contexts=tuple(texts("namingContexts")),
            controls=frozenset(texts("supportedControl")),
            clock=_clock(next(iter(texts("currentTime")), "")),
        )

    def _service(self, dn: str) -> str:
        """Give a domain controller's name and its invocationId.

        Spec: Microsoft, "Polling for Changes Using USNChanged": a restore from a backup is known by a new id.
        """
        if not dn:
            return ""
        # Whatever goes wrong: if it is the connection, the search for people says so.
        with suppress(DirectoryUnavailable):
            for one in self._page(dn, "(objectClass=*)", BASE, ("invocationId",))[0]:
                return dn + "".join(f" {value.hex()}" for value in one.raw.get("invocationid", ()))
        return dn

    def search(
        self, base: str, filters: str, attributes: Sequence[str], named: SearchSettings = PEOPLE
    ) -> Iterator[LdapEntry]:
        """Give all entries under a base that fit, page after page. References to other servers are ignored."""
        cookie: bytes = b""
        empty = 0
        while True:
            page, cookie = self._page(base, filters, SUBTREE, attributes, cookie, named=named)
            yield from page
            if not cookie:
                return
            empty = 0 if page else empty + 1
            if empty > EMPTY_PAGES:
                raise self._unavailable(
                    f'gives page after page without an entry under "{shown(base)}"',
                    f"index the attributes in {named.filters} on the server, or see why its paging does not end",
                )

    def entry(self, dn: str, attributes: Sequence[str]) -> Raw:
        """Read attributes of one entry; none when it is gone."""
        found, _ = self._page(dn, "(objectClass=*)", BASE, attributes)
        return found[0].raw if found else {}

    def glimpse(self, dn: str, attributes: Sequence[str]) -> Raw | None:
        """Read attributes of one entry; None when it is not there, or may not be read."""
        found, _ = self._page(dn, "(objectClass=*)", BASE, attributes, tolerated=_OUT_OF_SIGHT)
        return found[0].raw if found else None

    def _page(
        self,
        base: str,
        filters: str,
        scope: str,
        attributes: Sequence[str],
        cookie: bytes | None = None,
        *,
        tolerated: Container[str] = (),
        named: SearchSettings = PEOPLE,
    ) -> tuple[list[LdapEntry], bytes]:
        if self._aborted:
            raise DirectoryUnavailable(self._aborted)
        try:
            self._connection.search(
                base,
                filters,
                search_scope=scope,
                dereference_aliases=DEREF_NEVER,
                attributes=list(attributes),
                time_limit=self._access.answer_timeout_s,
                paged_size=None if cookie is None else self._access.page_size,
                paged_cookie=cookie or None,
            )
            result, response = self._connection.result, self._connection.response
            found = [
                LdapEntry(one["dn"], {name.lower(): values or () for name, values in one["raw_attributes"].items()})
                for one in response or ()
                if one["type"] == "searchResEntry"
            ]
            control: Mapping[str, Any] = (result.get("controls") or {}).get(PAGED_RESULTS) or {}
            following: bytes = (control.get("value") or {}).get("cookie") or b""
        except (LDAPException, OSError, *GARBAGE) as error:
            raise self._failed(error, base, filters, named) from error
        if result["result"] != 0 and result.get("description") not in tolerated:
            raise self._refused(result, f'the search under "{shown(base)}"', named=named)
        return found, following

    def _unavailable(self, what: str, remedy: str) -> DirectoryUnavailable:
        return DirectoryUnavailable(f"{self._access.url} {what}: {remedy} ([directory])")

    def _failed(
        self,
        error: BaseException,
        base: str = "",
        filters: str = "",
        named: SearchSettings = PEOPLE,
    ) -> DirectoryUnavailable:
        """Translate an exception of the LDAP library to a sentence for operators."""
        if self._aborted:
            return DirectoryUnavailable(self._aborted)
        text = words_of(error)
        low = text.lower()
        # First the operator's own mistakes, then TLS, then the network: OpenSSL and the library tell some only by text.
        if isinstance(error, LDAPInvalidFilterError):
            return self._unavailable(
                f'cannot be searched with "{shown(filters)}", which is no LDAP filter', f"correct {named.filters}"
            )
        if isinstance(error, LDAPInvalidDnError):
            return self._unavailable(
                f'cannot be searched under "{shown(base)}", which is no DN', f"correct {named.bases} and bind_dn"
            )
        if "certificate verify failed" in low or "hostname mismatch" in low:
            return self._unavailable(
                f"shows a certificate that does not hold ({certificate_fault(text)})",
                "name the authority that issued it in ca_file, and the server as its certificate does in url",
            )
        # With "ssl" in it the server has begun TLS and the handshake failed: then it does StartTLS.
        if isinstance(error, LDAPStartTLSError) and "ssl" not in low:
            return self._unavailable(f"does not do StartTLS ({shown(text)})", "set start_tls = false or use ldaps://")
        if "timed out" in low or "timeout" in low or "temporarily unavailable" in low:
            return self._unavailable(
                "does not answer in time", "see whether the server is overloaded; answer_timeout_s is the limit"
            )
        if isinstance(error, GARBAGE):
            return self._unavailable("answers with something that is not LDAP", "correct url")
        other = ": ldaps:// (636) or ldap:// (389)" if "terminated by server" in text or "(EOF)" in text else ""
        return self._unavailable(f"cannot be reached ({shown(text)})", f"see whether it runs, and correct url{other}")

    def _refused(
        self, result: Mapping[str, Any], what: str, fault: str = "", named: SearchSettings = PEOPLE
    ) -> DirectoryUnavailable:
        """Say what a result code means (RFC 4511 §4.1.9 and appendix A), and what to do unless `fault` says it."""
        told = f" ({shown(str(result.get('message') or ''))})" if result.get("message") else ""
        name = str(result.get("description") or result["result"])
        remedy = fault or remedy_for(name, named)
        return self._unavailable(f"refused {what}: {name}{told}", remedy)


_OUT_OF_SIGHT: Final = frozenset({"noSuchObject", "insufficientAccessRights", "invalidDNSyntax", "referral"})
"""How a server refuses to show an entry."""


def _shut(sock: socket.socket | Frames) -> None:
    """Shut a socket down below TLS, so that a thread blocked on it wakes; closing alone would not do that."""
    with suppress(OSError):  # it may not be connected, or not any more
        socket.socket.shutdown(sock.sock if isinstance(sock, Frames) else sock, socket.SHUT_RDWR)


def _clock(text: str) -> datetime | None:
    """Read a time as Active Directory tells it: 20261130124500.0Z."""
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
