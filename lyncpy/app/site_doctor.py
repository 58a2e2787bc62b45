"""`lyncpy doctor site FILE`: whether what clients are told to ask over HTTPS can be asked, while the server runs.

A client that is offered a certificate and cannot get to the site ends there: it tries no other scheme. The server hears
nothing of it, so this asks as a client would, by the same names, ports and paths, and compares certificate and name.
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from lyncpy.app.config import Config
from lyncpy.app.discovery import HTTP, WEB_HOSTS, asked_hosts
from lyncpy.app.kerberos_doctor import HostNames
from lyncpy.contracts.finding import Finding
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, CERTIFICATES, TICKETS

TIMEOUT_S: Final = 5.0
"""For each step; a port that a firewall drops says nothing at all."""

LISTENED_BYTES: Final = 65_536

_UNTRUSTED: Final = frozenset({18, 19, 20, 21})
"""Of OpenSSL: the chain is whole, or not, and ends with nobody who is trusted."""

_SIGN_IN: Final = "clients that are offered a certificate (TLS-DSK) do not sign in then"
_SEARCH: Final = "nobody is found by searching then"
_DISCOVERY: Final = "clients go on with the SRV records then"
_MEETINGS: Final = "links to meetings lead to nothing then"


@dataclass(frozen=True, slots=True)
class ToldAddress:
    """An address that clients are told, or know by themselves."""

    url: str
    what: str
    loss: str
    """What becomes of clients that cannot ask there."""

    mend: str
    """What to do where the name leads somewhere, but not to an answer of this server."""

    statuses: tuple[int, ...] = (200,)
    """With which the server answers."""


class Unreachable(Exception):
    """There is no answer; the text says why."""


class Web(Protocol):
    """What can be asked over HTTP."""

    def ask(self, url: str) -> tuple[int, str]:
        """Give status and address of who answers; raises Unreachable."""


class SystemWeb:
    """Asks over the network.

    Args:
        own: The certificate that the server shows, in PEM.
    """

    def __init__(self, own: Path) -> None:
        self._own = own

    def ask(self, url: str) -> tuple[int, str]:
        """Give status and address of who answers.

        Raises:
            Unreachable: Nobody does, or it is not believed to be this server.
        """
        parts = urlsplit(url)
        connection: HTTPConnection = (
            HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=self._context())
            if parts.scheme == "https"
            else HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
        )
        try:
            connection.connect()
            peer = connection.sock.getpeername()[0]
            connection.request("GET", parts.path or "/")
            answer = connection.getresponse()
            answer.read(LISTENED_BYTES)
        except ssl.SSLCertVerificationError as error:
            words = (
                "the certificate is neither this server's own nor one that this machine trusts"
                if error.verify_code in _UNTRUSTED
                else error.verify_message.rstrip(".")
            )
            raise Unreachable(words) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(_reason(error)) from error
        finally:
            connection.close()
        return answer.status, peer

    def _context(self) -> ssl.SSLContext:
        """Trust what the system does, and the server's own certificate, whoever issued it."""
        context = ssl.create_default_context()
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with suppress(OSError):  # of a file that cannot be read `lyncpy check` tells
            context.load_verify_locations(self._own)
        return context


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s, as from behind a firewall"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there; is the server running?"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def site_findings(config: Config, names: HostNames, web: Web) -> Iterator[Finding]:
    """Ask at every address; each may take its time."""
    if not config.site:
        sentence = (
            "there is no site ([web] https_port is 0, or there is no certificate): clients get no certificates, and search and"
            " meeting links do not work; set [web] https_port = 443"
        )
        yield Finding(good=False, sentence=sentence)
        return
    silent: set[str] = set()
    """Hosts with their ports at which nothing more is asked."""

    for one in told_addresses(config):
        place = urlsplit(one.url)
        if place.netloc in silent:
            continue
        missing = _missing(place.hostname or "", names)
        finding = _asked(one, web) if not missing else _homeless(one, missing)
        if not finding.good:
            silent.add(place.netloc)
        yield finding


def _missing(host: str, names: HostNames) -> str:
    """Say why a name leads nowhere; "" when it does."""
    try:
        names.addresses(host)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _homeless(one: ToldAddress, missing: str) -> Finding:
    host = urlsplit(one.url).hostname
    sentence = (
        f"{host}, {one.what}: the name has no address here ({missing}); {one.loss}: publish it in DNS (`lyncpy dns`)"
    )
    return Finding(good=False, sentence=sentence)


def _asked(one: ToldAddress, web: Web) -> Finding:
    try:
        status, peer = web.ask(one.url)
    except Unreachable as error:
        return Finding(good=False, sentence=f"{one.url}, {one.what}: {error}; {one.loss}: {one.mend}")
    if status in one.statuses:
        return Finding(good=True, sentence=f"{one.url}, {one.what}: answered by {peer}")
    sentence = (
        f"{one.url}, {one.what}: {peer} answers with {status}, which this server does not; {one.loss}: {one.mend}"
    )
    return Finding(good=False, sentence=sentence)


def told_addresses(config: Config) -> Sequence[ToldAddress]:
    """Give all that clients ask over HTTP, what they cannot do without first."""
    site, meetings = config.site, config.sections.conferencing.meeting_url
    ours = "let it be reached, or correct [web] url"
    search = ToldAddress(f"{site}{ADDRESS_BOOK}/mex", "search", _SEARCH, ours)
    told = [search]
    if config.sections.auth.tls_dsk:
        sign_in = f"{ours}, or set [auth] tls_dsk = false"
        told = [
            ToldAddress(f"{site}{CERTIFICATES}/mex", "certificates", _SIGN_IN, sign_in),
            ToldAddress(f"{site}{TICKETS}/mex", "web tickets", _SIGN_IN, sign_in),
            search,
        ]
    for host in asked_hosts(config):
        if host.name.partition(".")[0] in WEB_HOSTS:
            plain = bool(config.sections.web.http_port)
            url = f"http://{host.name}:{HTTP}/" if plain else f"https://{host.name}/"
            told.append(ToldAddress(url, "discovery", _DISCOVERY, "let it be reached, or remove the name from DNS"))
    if meetings:
        links = "let it be reached, or correct [conferencing] meeting_url"
        told.append(ToldAddress(f"{meetings}/nobody/NOMEETING", "meeting links", _MEETINGS, links, (200, 404)))
    return told
