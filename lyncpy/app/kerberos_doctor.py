"""`lyncpy doctor kerberos FILE`: what keeps people from signing in with tickets, and how to mend it."""

import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from lyncpy.app.check import kerberos_keytab
from lyncpy.app.config import Config
from lyncpy.backends.kerberos import KerberosMissing, load_gssapi, verify_ticket
from lyncpy.backends.kerberos_probe import NoTicket, ticket_for
from lyncpy.backends.kerberos_tokens import WEAK, encryption_name, ticket_label
from lyncpy.backends.keytab import KeytabEntry, KeytabUnusable, read_keytab
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.kerberos import SIP_SERVICE, service_name


class HostNames(Protocol):
    """What a Kerberos library makes of a host's name."""

    def addresses(self, host: str) -> tuple[str, Sequence[str]]:
        """Give the name that an alias leads to, and the addresses; raises OSError where there are none."""

    def name_of(self, address: str) -> str:
        """Give the name of an address; raises OSError where it has none."""


class SystemNames:
    """Asks the system, as the libraries do."""

    def addresses(self, host: str) -> tuple[str, Sequence[str]]:
        """Give the name that an alias leads to, and the addresses."""
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
        return found[0][3] or host, [str(one[4][0]) for one in found]

    def name_of(self, address: str) -> str:
        """Give the name of an address."""
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]


def kerberos_findings(config: Config, names: HostNames) -> Iterator[Finding]:
    """Look at everything; the KDC is asked, and may take its time."""
    auth = config.sections.auth
    if not auth.keytab:
        sentence = "[auth] keytab is empty, so Kerberos is not offered: write a keytab, and name it there"
        yield Finding(good=False, sentence=sentence)
        return
    host = auth.target_name or config.sections.sip.server_name
    keytab = config.path(auth.keytab)
    yield from kerberos_keytab(config)
    try:
        entries = read_keytab(keytab)
    except KeytabUnusable:
        return
    yield from _host(host, entries, names)
    ours = keys_of(entries, host)
    if not ours:
        return
    yield from _keys(ours)
    try:
        gssapi = load_gssapi()
    except KerberosMissing:
        return
    yield _probe(gssapi, keytab, ours, entries)


def keys_of(entries: Sequence[KeytabEntry], host: str) -> list[KeytabEntry]:
    """Give the keys of the service for which clients ask tickets."""
    wanted = service_name(SIP_SERVICE, host)
    return [one for one in entries if one.service.lower() == wanted]


def _keys(ours: Sequence[KeytabEntry]) -> Iterator[Finding]:
    for principal in sorted({one.principal for one in ours}):
        theirs = [one for one in ours if one.principal == principal]
        newest = max(one.version for one in theirs)
        kinds = {one.encryption for one in theirs if one.version == newest}
        said = ", ".join(encryption_name(kind) for kind in sorted(kinds))
        sentence = f"{principal}: key version {newest}, {said}"
        if kinds <= WEAK:
            sentence += (
                "; Kerberos libraries refuse these: allow AES for the service's account (in Active Directory on the tab "
                "Account, or msDS-SupportedEncryptionTypes 24), set its password anew, and write the keytab anew"
            )
        yield Finding(good=not kinds <= WEAK, sentence=sentence)


def _host(host: str, entries: Sequence[KeytabEntry], names: HostNames) -> Iterator[Finding]:
    """Compare the name of the service with what clients make of it: some libraries look it up there and back."""
    setting = "[auth] target_name, or else [sip] server_name"
    if "." not in host or _is_address(host):
        sentence = f'"{host}" is no full host name, and the KDC finds no service by it: set {setting}'
        yield Finding(good=False, sentence=sentence)
        return
    try:
        canonical, addresses = names.addresses(host)
    except OSError as error:
        sentence = (
            f"{host} has no address here ({error.strerror}): publish it in DNS (`lyncpy dns`), or correct {setting}"
        )
        yield Finding(good=False, sentence=sentence)
        return
    known = {one.service.lower() for one in entries}
    yield _named(host, canonical, f"{host} is an alias of {canonical}", known)
    for address in dict.fromkeys(addresses):
        try:
            back = names.name_of(address)
        except OSError:
            yield Finding(good=True, sentence=f"{host} is {address}, which has no name of its own")
            continue
        yield _named(host, back, f"{host} is {address}, whose name is {back}", known)


def _named(host: str, other: str, fact: str, known: set[str]) -> Finding:
    spn = service_name(SIP_SERVICE, other)
    if spn == service_name(SIP_SERVICE, host):
        return Finding(good=True, sentence=fact.replace(f"{host} is an alias of {other}", f"{host} is no alias"))
    if spn in known:
        return Finding(good=True, sentence=f"{fact}; the keytab has keys for {spn} too")
    return Finding(
        good=False,
        sentence=f"{fact}: clients of MIT Kerberos, as Pidgin on Linux, ask for {spn}. Correct that in DNS, add {spn} to the "
        "service and the keytab, or set `rdns` and `dns_canonicalize_hostname` to false in the clients' krb5.conf",
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_MENDED: dict[DenialReason, str] = {
    DenialReason.CLOCK_SKEW: "let the KDC and this machine follow the same time server",
    DenialReason.TICKET_EXPIRED: "the clock of this machine is ahead of the KDC's; let both follow the same time server",
    DenialReason.WRONG_KEY_VERSION: "write the keytab anew (ktadd, ipa-getkeytab, ktpass), and leave the old keys in it for a day",
    DenialReason.BAD_TICKET: "the key in the keytab is not the KDC's, or two accounts have the SPN (setspn -X): write the keytab anew",
}


def _probe(gssapi: Any, keytab: Path, ours: Sequence[KeytabEntry], entries: Sequence[KeytabEntry]) -> Finding:
    """Ask the KDC for a ticket as a client would, and verify it as the server would."""
    principal = ours[0].principal
    clients = sorted({one.principal for one in entries}, key=lambda name: ("/" in name, name))
    try:
        token = ticket_for(gssapi, keytab, principal, clients)
    except NoTicket as error:
        return Finding(good=False, sentence=str(error))
    label = ticket_label(token)
    outcome = verify_ticket(gssapi, keytab, token, SIP_SERVICE)
    if isinstance(outcome, AuthenticationDenied):
        mend = _MENDED.get(outcome.reason, "")
        sentence = f"a ticket for {principal} is refused: {outcome.reason} ({outcome.detail})"
        return Finding(good=False, sentence=f"{sentence}; {mend}" if mend else sentence)
    return Finding(
        good=True,
        sentence=f"the KDC gave a ticket for {principal} with key version {label.version}, "
        f"{encryption_name(label.encryption)}, and the keytab opens it; clocks agree",
    )
