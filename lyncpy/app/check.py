"""`lyncpy check FILE`: look at everything before a start."""

import datetime
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lyncpy.app.config import Config
from lyncpy.app.discovery import asked_hosts
from lyncpy.app.home import open_to_others
from lyncpy.auth.proofs import server_names
from lyncpy.backends.kerberos import KerberosMissing, load_gssapi
from lyncpy.backends.keytab import KeytabUnusable, read_keytab
from lyncpy.backends.nats.address import bus_of
from lyncpy.backends.nats.probe import ProbeFailed, first_word, objection_to_files
from lyncpy.backends.ntlm_auth_probe import HelperUnusable, ask_about_nobody, joined_as
from lyncpy.backends.sealing import Sealer
from lyncpy.backends.sql.server import PostgresServer
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.kerberos import HTTP_SERVICE, SIP_SERVICE, service_name
from lyncpy.contracts.refusal import StoreUnavailable, WorldUnavailable
from lyncpy.core import interpreter
from lyncpy.sip.text import shown
from lyncpy.wire.certificate import CertificateUnusable, read_credentials
from lyncpy.workloads.web.readers import ReadersUnusable, read_named


def findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Look at certificate, keys, database, ports, people and files; a directory is asked by `directory pull --dry-run`."""
    sections = config.sections
    yield Finding(good=True, sentence=f"{config.file}: every setting can be used")
    yield Finding(good=True, sentence=f"runs on {interpreter.description()}")
    yield from _certificate(config, now)
    yield _key_file(config)
    yield from _database(config)
    yield from _bus(config)
    yield from _ports(config)
    yield from _site(config)
    if sections.auth.keytab:
        yield from kerberos_keytab(config)
    if sections.auth.ntlm_auth:
        yield from _windows_domain(config)
    # A file is at hand; an LDAP server is not, and may be slow or need a password.
    for one in config.directories:
        if not one.is_ldap:
            yield _readable("directory", "url", config.path(one.url))
    for path in open_to_others(config):
        yield Finding(good=False, sentence=f'{path} can be read by everybody here; run `chmod o-rwx "{path}"`')


def _key_file(config: Config) -> Finding:
    key_file = config.sections.store.key_file
    try:
        Sealer(config.path(key_file))
    except WorldUnavailable as error:
        return Finding(good=False, sentence=str(error))
    return Finding(good=True, sentence=f"[store] key_file: {key_file} holds a key")


def _database(config: Config) -> Iterator[Finding]:
    """Ask a PostgreSQL server what a start asks it; a file is made by the start."""
    store = config.sections.store
    if store.is_sqlite:
        return
    try:
        found = PostgresServer(store, config.home).examined(is_connected=not config.sections.bus.is_memory)
    except StoreUnavailable as error:
        found = [Finding(good=False, sentence=str(error))]
    for one in found:
        yield replace(one, sentence=f"[store] url: {one.sentence}")


def _bus(config: Config) -> Iterator[Finding]:
    """Look at the files that prove us, and hear what each NATS server says first."""
    bus = config.sections.bus
    if bus.is_memory:
        return
    objection = objection_to_files(bus, config.home)
    if objection:
        yield Finding(good=False, sentence=f"[bus]: {objection}")
    address = bus_of(bus.url)
    for place in address.places if address.tls != "first" else ():
        try:
            info = first_word(place)
        except ProbeFailed as error:
            yield Finding(good=False, sentence=f"[bus] url: {place}: {error}; does nats-server run there?")
            continue
        if address.needs_tls(place) and not (info.requires_tls or info.offers_tls):
            sentence = f"[bus] url: {place} offers no TLS, without which nothing is said to it: give it a certificate"
            yield Finding(good=False, sentence=sentence)
            continue
        sentence = f"[bus] url: NATS {shown(info.version)} answers at {place}; whether it takes this server"
        yield Finding(good=True, sentence=f"{sentence}, and has a certificate that counts, shows at the start")


def _ports(config: Config) -> Iterator[Finding]:
    sip, web, admin = config.sections.sip, config.sections.web, config.sections.admin
    others: list[tuple[str, str, int]] = []
    for section, key, host, port in (
        ("sip", "tls_port", sip.tls_host, sip.tls_port),
        ("sip", "tcp_port", sip.tcp_host, sip.tcp_port),
        ("web", "https_port", web.https_host, config.https_port),
        ("web", "http_port", web.https_host, web.http_port if config.https_port else 0),
        ("admin", "port", admin.host, admin.port),
    ):
        if not port:
            continue
        same = next((name for name, place, number in others if number == port and _overlap(host, place)), "")
        others.append((f"[{section}] {key}", host, port))
        if same:
            sentence = f"[{section}] {key} {port}: {same} is the same, and one of them finds it taken; choose another"
            yield Finding(good=False, sentence=sentence)
        else:
            yield _port(section, key, host, port)


def _overlap(one: str, other: str) -> bool:
    """Tell whether two addresses to listen at have something in common; "" and the unspecified ones are all addresses."""
    return one == other or not {"", "::", "0.0.0.0"}.isdisjoint((one, other))  # noqa: S104 - nothing is opened


def _site(config: Config) -> Iterator[Finding]:
    web = config.sections.web
    if config.https_port:
        yield from _readers(config.path(web.readers_file))
    # Clients make links of this URL and send them to guests: without the site they lead to nothing.
    elif config.sections.conferencing.meeting_url:
        sentence = "[conferencing] meeting_url: nobody answers meeting links here; set [web] https_port = 443"
        yield Finding(good=False, sentence=sentence)


def _certificate(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    sip = config.sections.sip
    if not sip.tls_port and not config.https_port:
        return
    try:
        credentials = read_credentials(sip, config.home, now)
    except CertificateUnusable as error:
        yield Finding(good=False, sentence=str(error))
        return
    yield Finding(
        good=True,
        sentence=f"[sip] certificate: for {', '.join(credentials.names)}, until {credentials.expires:%Y-%m-%d}",
    )
    for doubt in credentials.doubts(sip.server_name, now):
        yield Finding(good=False, sentence=doubt)
    for host in asked_hosts(config):
        named = credentials.covers(host.name)
        sentence = f"[sip] certificate: it is {'' if named else 'not '}for {host.name}: {host.asked_by}"
        if not named:
            sentence += f"; {host.instead or 'they refuse it, have it issued for this name too'}"
        yield Finding(good=named or not host.needed, sentence=sentence)


def kerberos_keytab(config: Config) -> Iterator[Finding]:
    """Look at what Kerberos takes on this machine: the library, and a keytab with keys for our name."""
    auth = config.sections.auth
    try:
        load_gssapi()
    except KerberosMissing as error:
        yield Finding(good=False, sentence=f"[auth] keytab: {error}")
    try:
        entries = read_keytab(config.path(auth.keytab))
    except KeytabUnusable as error:
        yield Finding(good=False, sentence=str(error))
        return
    has = ", ".join(sorted({one.principal for one in entries})) or "nothing"
    for service, wanted, setting in _services(config):
        if any(one.service.lower() == wanted for one in entries):
            yield Finding(good=True, sentence=f"[auth] keytab: it has keys for {wanted}")
            continue
        sentence = f"[auth] keytab: clients ask for tickets for {wanted}, and it has keys for {has}: add {service}, or {setting}"
        yield Finding(good=False, sentence=sentence)


def _windows_domain(config: Config) -> Iterator[Finding]:
    """Ask winbind, and compare the names in our challenges with those that this computer has in the domain."""
    auth, sip = config.sections.auth, config.sections.sip
    try:
        ask_about_nobody(auth.ntlm_auth)
        domain, computer = joined_as(auth.ntlm_auth)
    except HelperUnusable as error:
        yield Finding(good=False, sentence=f"[auth] ntlm_auth: {error}")
        return
    yield Finding(good=True, sentence=f"[auth] ntlm_auth: winbind answers {auth.ntlm_auth[0]}")
    ours = server_names(auth, sip.server_name, sip.domain)
    for setting, what, told, joined in (
        ("netbios_domain", "the domain", ours.netbios_domain, domain),
        ("netbios_computer", "this computer", ours.netbios_computer, computer),
    ):
        if not joined:
            sentence = f"[auth] {setting}: challenges call {what} {told}; ntlm_auth does not say under which name it has joined"
            yield Finding(good=True, sentence=sentence)
        elif told.upper() == joined.upper():
            yield Finding(good=True, sentence=f"[auth] {setting}: {what} is {joined} for the domain's controllers too")
        else:
            sentence = f'[auth] {setting}: challenges call {what} {told}, for which controllers give no key: set it to "{shown(joined)}"'
            yield Finding(good=False, sentence=sentence)


def _services(config: Config) -> Iterator[tuple[str, str, str]]:
    """Give the services that clients ask tickets for: what to call each, its name, and the setting of it."""
    auth, sip = config.sections.auth, config.sections.sip
    own = service_name(SIP_SERVICE, auth.target_name or sip.server_name)
    yield "that service to it", own, "set [auth] target_name to the name that it has"
    host = urlsplit(config.site).hostname
    if host:
        web = service_name(HTTP_SERVICE, host)
        yield "that service too", web, "[web] url to it; until then the web services ask for passwords"


def _readers(file: Path) -> Iterator[Finding]:
    try:
        named = read_named(file)
    except ReadersUnusable as error:
        yield Finding(good=False, sentence=str(error))
        return
    if named:
        names = ", ".join(one.name for one in named)
        yield Finding(good=True, sentence=f"[web] readers_file: {file} lets {names} read with a token")


def _port(section: str, key: str, host: str, port: int) -> Finding:
    """Check that a port is free, or that a running server has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(
                good=False,
                sentence=f"[{section}] {key} {port}: {error.strerror}; is a server running already? Else choose another",
            )
    return Finding(good=True, sentence=f"[{section}] {key} {port} is free")


def _readable(section: str, key: str, file: Path) -> Finding:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        return Finding(good=False, sentence=f"[{section}] {key}: {file} cannot be read: {error.strerror}")
    return Finding(good=stat.S_ISREG(mode), sentence=f"[{section}] {key}: {file} is there")
