"""`lyncpy check FILE`: look at everything before a start."""

import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from lyncpy.app.config import Config
from lyncpy.app.discovery import asked_hosts
from lyncpy.app.gateways_check import authority_file_findings, gateway_findings
from lyncpy.app.home import of_other_owners, open_to_others, open_to_writers
from lyncpy.app.machine import disk_findings, name_findings
from lyncpy.app.members_check import announcer_findings, member_findings
from lyncpy.app.places_check import place_findings
from lyncpy.app.pool_check import deployment_findings
from lyncpy.app.pool_doctor import pool_findings
from lyncpy.app.ports import port_findings
from lyncpy.app.settings_check import setting_findings
from lyncpy.app.store_check import clock_findings, key_finding, store_findings
from lyncpy.auth.proofs import server_names
from lyncpy.backends.kerberos import KerberosMissing, load_gssapi
from lyncpy.backends.keytab import KeytabUnusable, read_keytab
from lyncpy.backends.ldap_examination import ldap_findings
from lyncpy.backends.nats.probe import examined
from lyncpy.backends.ntlm_auth_probe import HelperUnusable, ask_about_nobody, joined_as, objection_to_program
from lyncpy.backends.people import people_findings
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.kerberos import HTTP_SERVICE, SIP_SERVICE, service_name
from lyncpy.contracts.regular_file import read_regular
from lyncpy.core import interpreter
from lyncpy.sip.text import shown
from lyncpy.wire.certificate import TOLD_BEFORE, CertificateUnusable, make_context, read_credentials
from lyncpy.wire.operators import issues, read_authority
from lyncpy.workloads.admin.keyring import ROLE_NAMES, AuthorizedKeys, HostKeysUnusable, require_host_keys
from lyncpy.workloads.voice.findings import voice_findings
from lyncpy.workloads.web.icon import IconUnusable, read_icon
from lyncpy.workloads.web.readers import ReadersUnusable, read_named


def findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Look at all that a server needs, on this machine and elsewhere; nothing is changed, and a server may run."""
    yield Finding(good=True, sentence=f"{config.file}: every setting can be used")
    yield Finding(good=True, sentence=f"runs on {interpreter.description()}")
    yield from voice_findings(config.sections.voice)
    yield from local_findings(config, now)
    yield from distant_findings(config, now)
    yield from _guarded("[policies]", member_findings(config))
    yield from _guarded("[im] announcer", announcer_findings(config))


def distant_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Ask whoever the settings name on other machines; each may be slow to answer, or silent."""
    yield from _guarded("[sip] server_name", name_findings(config))
    if not config.sections.store.is_sqlite:
        yield from _store_and_clock(config, now)
    yield from _guarded("[voice] gateways", gateway_findings(config))
    yield from pool_findings(config)
    if not config.sections.bus.is_memory:
        yield from _guarded("[bus] url", examined(config.sections.bus, config.home))
    yield from deployment_findings(config, now)
    if config.sections.auth.ntlm_auth and not objection_to_program(config.sections.auth.ntlm_auth):
        yield from _guarded("[auth] ntlm_auth", _windows_domain(config))
    yield from directory_findings(config, now)


def local_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Look at what is on this machine, as a start does, which refuses what stops it: nobody is asked who could be slow."""
    yield from setting_findings(config)
    yield from standing_findings(config, now)
    yield from port_findings(config)


def standing_findings(config: Config, now: datetime.datetime, *, is_running: bool = False) -> Iterator[Finding]:
    """Look at what may change on this machine while a server runs: it is looked at all the time.

    Args:
        config: The settings.
        now: What the clock says.
        is_running: Whether it is the server itself that looks; it knows whether it can write to its database.
    """
    yield from _guarded("[sip] certificate", certificate_findings(config, now))
    yield from _guarded("authorities", authority_findings(config, now))
    yield from authority_file_findings(config)
    yield key_finding(config)[1]
    if config.sections.store.is_sqlite:
        yield from _store_and_clock(config, now, writes=not is_running)
    yield from _guarded("[web] readers_file", _site(config, now))
    yield from _guarded("[admin] authorized_keys", _shell(config))
    if config.sections.auth.keytab:
        yield from _guarded("[auth] keytab", kerberos_keytab(config))
    objection = objection_to_program(config.sections.auth.ntlm_auth)
    if objection:
        yield Finding(good=False, sentence=f"[auth] ntlm_auth: {objection}")
    yield from disk_findings(config)
    yield from _guarded("the places of files", place_findings(config))
    yield from _guarded("the modes of files", _mode_findings(config))


def _store_and_clock(config: Config, now: datetime.datetime, *, writes: bool = True) -> Iterator[Finding]:
    yield from _guarded("[store] url", store_findings(config, writes=writes))
    yield from _guarded("[store] url", clock_findings(config, now))


def _mode_findings(config: Config) -> Iterator[Finding]:
    """Look who may read and change the files of a server."""
    for path in open_to_others(config):
        yield Finding(good=False, sentence=f'{path} can be read by everybody here; run `chmod o-rwx "{path}"`')
    for path in open_to_writers(config):
        yield Finding(good=False, sentence=f'{path} can be changed by everybody here; run `chmod o-w "{path}"`')
    user, folder = os.geteuid(), config.home.stat().st_uid
    if user not in (0, folder):
        sentence = f'"{config.home}" belongs to user {folder}, and this is user {user}: be that one, or run `chown -R {user} "{config.home}"`'
        yield Finding(good=False, sentence=sentence)
        return
    for path, owner, usual in of_other_owners(config):
        sentence = f'{path} belongs to user {owner}, and the folder of the server to user {usual}: run `chown {usual} "{path}"`'
        yield Finding(good=False, sentence=sentence)


def _guarded(what: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Give findings; where the system does not let something be looked at, that is one, and what follows is looked at."""
    try:
        yield from found
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        yield Finding(good=False, sentence=f"{what}:{where} cannot be looked at: {error.strerror or error}")


def directory_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Read people files, and ask LDAP servers for some of their people."""
    domains = config.sections.sip.all_domains
    for one in config.directories:
        whose = f"{one.name}: " if one.name else ""
        found = (
            ldap_findings(one, domains, config.home, now)
            if one.is_ldap
            else people_findings(config.path(one.url), domains)
        )
        for finding in _guarded("[directory] url", found):
            yield replace(finding, sentence=f"{whose}{finding.sentence}")


def _shell(config: Config) -> Iterator[Finding]:
    """Look at the keys of operators, and at the shell's own."""
    admin = config.sections.admin
    if not admin.port:
        return
    file = config.path(admin.authorized_keys)
    ring = AuthorizedKeys(file, ROLE_NAMES[admin.default_role]).ring()
    for fault in ring.faults:
        yield Finding(good=False, sentence=f"[admin] authorized_keys: {file}: {fault}")
    if ring.admissions or not ring.faults:
        count = len(ring.admissions)
        keys = {0: "no key", 1: "1 key"}.get(count, f"{count} keys")
        yield Finding(good=True, sentence=f"[admin] authorized_keys: {keys} may use the shell")
    try:
        require_host_keys(config.path(admin.host_key_folder))
    except HostKeysUnusable as error:
        yield Finding(good=False, sentence=str(error), stops=True)


def _site(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    web = config.sections.web
    if config.https_port:
        yield from _readers(config.path(web.readers_file))
        if web.operators_port:
            yield from _operators(config.path(web.operators_authority), now)
            if not config.sections.admin.console:
                sentence = "[web] operators_port: there is nothing; set [admin] console = true, or the port to 0"
                yield Finding(good=False, sentence=sentence)
        if web.icon:
            yield from _icon(config.path(web.icon))
        return
    if config.sections.admin.console:
        sentence = "[admin] console: nobody reaches it here; set [web] https_port = 443, or console = false"
        yield Finding(good=False, sentence=sentence)
    # Clients make links of this URL and send them to guests: without the site they lead to nothing.
    if config.sections.conferencing.meeting_url:
        sentence = "[conferencing] meeting_url: nobody answers meeting links here; set [web] https_port = 443"
        yield Finding(good=False, sentence=sentence)


def _operators(file: Path, now: datetime.datetime) -> Iterator[Finding]:
    try:
        trusted, lists = read_authority(file)
    except CertificateUnusable as error:
        yield Finding(good=False, sentence=str(error), stops=True)
    else:
        names = ", ".join(sorted({one.subject.rfc4514_string() for one in trusted}))
        yield Finding(good=True, sentence=f"[web] operators_authority: operators may show certificates of {names}")
        if not any(map(issues, trusted)):
            sentence = f"[web] operators_authority: what is in {file} is no authority, and has issued nothing: name the file of the one that issues"
            yield Finding(good=False, sentence=sentence)
        for one in lists:
            if one.next_update_utc is not None and one.next_update_utc < now:
                whose = f"the revocation list of {one.issuer.rfc4514_string()} in {file}"
                sentence = f"[web] operators_authority: {whose} ended on {one.next_update_utc:%Y-%m-%d %H:%M} UTC, and nobody comes in until a new one is there"
                yield Finding(good=False, sentence=sentence)


def _icon(file: Path) -> Iterator[Finding]:
    try:
        read_icon(file)
    except IconUnusable as error:
        yield Finding(good=False, sentence=str(error))
    else:
        yield Finding(good=True, sentence=f"[web] icon: {file} is shown on pages")


def certificate_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Look at the certificate: its files, dates, and for which of the names that clients ask it is."""
    sip = config.sections.sip
    if not sip.tls_port and not config.https_port:
        return
    try:
        credentials = read_credentials(sip, config.home, now)
        make_context(credentials, sip.tls_minimum)
    except CertificateUnusable as error:
        yield Finding(good=False, sentence=str(error), stops=True)
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


def trusted_files(config: Config) -> Sequence[tuple[str, Path]]:
    """Give the files of authorities by which others are trusted, each once, with the setting that names it."""
    named = [("[store] ca_file", config.sections.store.ca_file), ("[bus] ca_file", config.sections.bus.ca_file)]
    named += [("[directory] ca_file", one.ca_file) for one in config.directories if one.is_ldap]
    named += [
        (f"[voice.gateways.{name}] authority", one.authority) for name, one in config.sections.voice.gateways.items()
    ]
    if config.sections.web.operators_port:
        named.append(("[web] operators_authority", config.sections.web.operators_authority))
    return list(dict.fromkeys((setting, config.path(name)) for setting, name in named if name))


def authority_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Look at the dates of authorities, that of `lyncpy init` and those that others are trusted by."""
    own = config.home / "ca.pem"
    files = [
        (
            "the private authority of `lyncpy init`",
            own,
            f'move "{own}", "ca.key", server.pem and server.key away and run `lyncpy init`',
        )
    ]
    files += [(setting, file, "have the new ones put there") for setting, file in trusted_files(config)]
    for what, file, remedy in dict.fromkeys(files):
        # Who needs a file that is not there, or holds none, says so.
        with suppress(FileNotFoundError, ValueError):
            ends = [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(read_regular(file))]
            # Of a bundle one that counts may be left; of what ends, the last one ends the trust.
            last = max(ends)
            if last - now < TOLD_BEFORE:
                verb = "ended" if last <= now else "ends"
                sentence = f"{what}: the last certificate in {file} {verb} on {last:%Y-%m-%d %H:%M} UTC: {remedy}"
                yield Finding(good=False, sentence=sentence)


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
