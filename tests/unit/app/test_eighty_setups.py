"""More than eighty set-ups that are wrong: of each the answer names the setting or the file, and says what to do.

Beside those of `tests/interop/test_broken_setups.py`, which a start and a reload are asked about as well: here nothing is started. A row
has what is wrong, words that have to name it, and words that say what to do. A new kind of fault is a row.
"""

import datetime
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from lyncpy.app.check import findings
from lyncpy.app.cli import main
from lyncpy.app.config import ConfigError, load
from tests.kit.certificates import authority, issue, put, revocation_list

TODAY: Final = datetime.datetime.now(datetime.UTC)
LDAP: Final = ("directory.url=ldap://127.0.0.1:1", 'directory.bases=["dc=example,dc=com"]')
BOUND: Final = (*LDAP, "directory.bind_dn=cn=reader", "directory.bind_password_file=secret")
POSTGRES: Final = "store.url=postgresql://user@127.0.0.1:1/lyncpy"
NATS: Final = "bus.url=nats://127.0.0.1:1"

OPERATORS: Final = ("web.operators_port=4444", "web.operators_authority=op.pem", "admin.console=true")
PUTTY: Final = "---- BEGIN SSH2 PUBLIC KEY ----\nComment: me\nAAAA\n---- END SSH2 PUBLIC KEY ----\n"

Break = Callable[[Path], object]


@dataclass(frozen=True)
class Wrong:
    """One set-up.

    Attributes:
        name: For the report.
        settings: Overrides of the settings.
        names: What has to be named.
        remedy: What to do.
        files: Breaks the home.
    """

    name: str
    settings: tuple[str, ...]
    names: str
    remedy: str
    files: Break | None = None


def of(name: str, setting: str, names: str, remedy: str) -> Wrong:
    """Give a set-up with one setting that is wrong."""
    return Wrong(name, (setting,), names, remedy)


def file(name: str, files: Break, names: str, remedy: str, *settings: str) -> Wrong:
    """Give a set-up with a file that is wrong."""
    return Wrong(name, settings, names, remedy, files)


def write(name: str, content: str | bytes, mode: int = 0o600) -> Break:
    """Write a file."""

    def broken(home: Path) -> None:
        path = home / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)

    return broken


def append(text: str) -> Break:
    """Write more settings."""
    return lambda home: (home / "lyncpy.toml").write_text((home / "lyncpy.toml").read_text() + text)


ROUTE: Final = """
[voice.policies.default]
usages = ["all"]
[voice.routes.out]
pattern = '^\\+'
usages = ["all"]
gateways = ["{}"]
"""


def gateway(address: str = "127.0.0.1", *, route: str = "carrier", more: str = "") -> Break:
    """Write a gateway, and a route to it."""
    return append(f'{ROUTE.format(route)}[voice.gateways.carrier]\naddress = "{address}"\n{more}\n')


def both(one: Break, other: Break) -> Break:
    """Break two things."""

    def broken(home: Path) -> None:
        one(home)
        other(home)

    return broken


def folder(name: str) -> Break:
    """Put a folder in the place of a file."""

    def broken(home: Path) -> None:
        (home / name).unlink(missing_ok=True)
        (home / name).mkdir()

    return broken


def swapped(home: Path) -> None:
    """Put the key in the place of the certificate, and the other way round."""
    certificate = (home / "server.pem").read_bytes()
    (home / "server.pem").write_bytes((home / "server.key").read_bytes())
    (home / "server.key").write_bytes(certificate)


def der(home: Path) -> None:
    """Write the certificate as Windows' authorities send it."""
    (home / "server.pem").write_bytes(issue("sip.example.com").certificate.public_bytes(Encoding.DER))


def linked(home: Path) -> None:
    """Lead to a file that is not there."""
    (home / "server.pem").unlink()
    (home / "server.pem").symlink_to("/nowhere/fullchain.pem")


def piped(home: Path) -> None:
    """Put a pipe there, to which nobody writes."""
    (home / "server.pem").unlink()
    os.mkfifo(home / "server.pem")


def other_program(home: Path) -> None:
    """Put another program's database there."""
    with closing(sqlite3.connect(home / "lyncpy.db")) as connection:
        connection.execute("create table songs (title)")
    (home / "lyncpy.db").chmod(0o600)


SETUPS: Final = [
    # --- values
    of("no domain", "sip.domain=", "[sip] domain: is empty", "write what it has to be"),
    of("an address of SIP", "sip.domain=sip:example.com", "[sip] domain", "write a name as in DNS"),
    of("an underscore", "sip.domain=my_company.com", "[sip] domain", "write a name as in DNS"),
    of("a URL as name", "sip.server_name=https://sip.example.com", "[sip] server_name", "write a name as in DNS"),
    of("another server's name", "sip.server_name=sip.other.test", "[sip] certificate", "have it issued for that name, or correct server_name"),
    of("a port that is none", "sip.tls_port=70000", "[sip] tls_port", "less than or equal to 65535"),
    of("a port below nought", "sip.tls_port=-1", "[sip] tls_port", "greater than or equal to 0"),
    of("a port in quotes", 'sip.tls_port="5061"', "[sip] tls_port", "write a whole number, without quotes"),
    of("a host that nobody has", "sip.tls_host=nobody.invalid", "[sip] tls_port", "correct tls_host"),
    of("another machine's address", "sip.tls_host=203.0.113.7", "[sip] tls_port", "this machine has no such address; correct tls_host"),
    of("a version of TLS", "sip.tls_minimum=1.4", "[sip] tls_minimum", "'1.0', '1.1', '1.2' or '1.3'"),
    of("TLS as OpenSSL writes it", 'sip.tls_minimum="TLSv1.2"', "[sip] tls_minimum", "'1.0', '1.1', '1.2' or '1.3'"),
    of("a relay's name", 'sip.relays=["relay.example.com"]', "[sip] relays", 'write them like "192.0.2.7"'),
    Wrong("no way in", ("sip.tls_port=0", "sip.tcp_port=0"), "[sip] tls_port", "set tls_port = 5061"),
    of("plain text for all", "sip.tcp_host=0.0.0.0", "[sip]", "TLS"),
    of("a level", "log.level=verbose", "[log] level", "'debug', 'info', 'warn', 'error' or 'critical'"),
    of("a site without TLS", "web.url=http://sip.example.com", "[web] url", 'write https, name and port alone'),
    of("a site without name", "web.url=https://", "[web] url", "write https, name and port alone"),
    of("meetings over FTP", "conferencing.meeting_url=ftp://meet.example.com", "[conferencing] meeting_url", 'write it as "https://'),
    Wrong("meetings without site", ("conferencing.meeting_url=https://meet.example.com", "web.https_port=0"), "[conferencing] meeting_url", "set [web] https_port = 443"),
    of("an origin", 'web.origins=["example.com"]', "[web] origins", "write scheme, name and port alone"),
    of("the shell at the port of SIP", "admin.port=5061", "[admin] port 5061", "choose another"),
    of("a role", "admin.default_role=root", "[admin] default_role", "'viewer', 'operator' or 'developer'"),
    of("a truth in words", 'auth.tls_dsk="yes"', "[auth] tls_dsk", "write true or false, without quotes"),
    of("too short a wait", "im.message_s=1", "[im] message_s", "greater than or equal to 5"),
    of("no such section", "foo.bar=1", "[foo]", "remove it; known are"),
    of("no such key", "sip.tls_prot=5061", "[sip] tls_prot", 'did you mean "tls_port"'),
    of("who announces", "im.announcer=Big Boss", "[im] announcer", "write what stands before the @"),
    of("how often to pull", "directory.interval_s=0", "[directory] interval_s", "greater than or equal to 1"),
    # --- files and folders
    of("a name of a file for a shell", "log.json_file=~/log.json", "[log] json_file", "write the whole path"),
    of("a name of a file for a browser", "sip.certificate=file:///etc/server.pem", "[sip] certificate", "write the whole path"),
    of("a server twice", 'pool.servers=["fe1.example.com","FE1.example.com"]', "fe1.example.com", "name each server once"),
    of("an address in brackets", "sip.tls_host=[::]", "[sip] tls_port", "without brackets and port"),
    of("an interface for an address", "sip.tls_host=eth0", "[sip] tls_port", "correct tls_host: an address of this machine"),
    of("a log that is the database", "log.json_file=lyncpy.db", "the database ([store] url), too", "choose a file of its own"),
    of("a log that is the certificate", "log.json_file=server.pem", "[sip] certificate, too", "choose a file of its own"),
    of("a gap that is the settings", "archive.gap_file=lyncpy.toml", "the settings, too", "choose a file of its own"),
    of("a log and a gap in one", "log.json_file=archive.gap", "[archive] gap_file, too", "choose a file of its own"),
    of("a log in no folder", "log.json_file=nowhere/log.json", "[log] json_file", "make it"),
    file("a log that is a folder", folder("sub"), "[log] json_file", "name a file in it", "log.json_file=sub"),
    of("a socket in no folder", "admin.socket=nowhere/x.sock", "[admin] socket", "make it"),
    of("a socket with a long name", f"admin.socket={'x' * 100}", "[admin] socket", "choose a shorter one"),
    of("a gap file in no folder", "archive.gap_file=nowhere/gap", "[archive] gap_file", "make it"),
    of("exports into a file", "archive.export_folder=lyncpy.toml", "[archive] export_folder", "name another one"),
    of("backups into a file", "store.backup_folder=lyncpy.toml", "[store] backup_folder", "name another one"),
    of("no passphrase", "store.backup_passphrase_file=nope", "[store] backup_passphrase_file", "write the passphrase into its first line"),
    file("an empty passphrase", write("p", ""), "[store] backup_passphrase_file", "write the passphrase", "store.backup_passphrase_file=p"),
    file("settings without anything", write("lyncpy.toml", ""), "[sip]", "add it"),
    file("settings that are a folder", folder("lyncpy.toml"), "lyncpy.toml", "Is a directory"),
    file("a home for all", lambda home: home.chmod(0o777), "home", "chmod o-rwx"),
    file("a password that all read", write("secret", "x", 0o644), "secret", "chmod o-rwx", *BOUND),
    # --- certificates
    file("no key", lambda home: (home / "server.key").unlink(), "[sip] private_key", "put it there, or correct private_key"),
    file("no certificate", lambda home: (home / "server.pem").unlink(), "[sip] certificate", "put it there, or correct certificate"),
    file("a folder", folder("server.pem"), "[sip] certificate", "name a file that the server may read"),
    file("DER", der, "[sip] certificate", "openssl x509 -inform DER"),
    file("swapped", swapped, "[sip] certificate", "the two settings may have been swapped"),
    file("no PEM", write("server.pem", "hello"), "[sip] certificate", "which begins with -----BEGIN"),
    file("a client's", lambda home: put(home, issue("sip.example.com", usage=ExtendedKeyUsageOID.CLIENT_AUTH, today=TODAY)), "[sip] certificate", "have it issued for servers"),
    file("one that has ended", lambda home: put(home, issue("sip.example.com", days=(-9, -1), today=TODAY)), "[sip] certificate", "renew it"),
    file("one that has not begun", lambda home: put(home, issue("sip.example.com", days=(1, 9), today=TODAY)), "[sip] certificate", "check the clock"),
    of("no chain", "sip.chain=chain.pem", "[sip] chain", "put it there, or correct chain"),
    file("another authority's chain", write("chain.pem", authority("Another").pem), "[sip] chain", "put the issuer's certificate in the place of that one", "sip.chain=chain.pem"),
    # --- settings that do not go together
    of("a domain that is an address", "sip.domain=192.0.2.1", "[sip] domain", "write a name as in DNS"),
    of("one more that is an address", 'sip.domains=["192.0.2.1"]', "[sip] domains", "write a name as in DNS"),
    Wrong("a share above the total", ("limits.subscriptions_total=100", "limits.subscriptions_per_user=200"), "[limits] subscriptions_per_user = 200 is above [limits] subscriptions_total = 100", "lower the one, or raise the other"),
    of("a share of a device above its user's", "limits.subscriptions_per_flow=7000", "[limits] subscriptions_per_flow", "lower the one, or raise the other"),
    Wrong("addresses above the total", ("sip.connections=100", "sip.connections_per_address=200"), "[sip] connections_per_address", "lower the one, or raise the other"),
    Wrong("unread bytes above the total", ("sip.unwritten_bytes=67108864", "sip.unwritten_total_bytes=1048576"), "[sip] unwritten_bytes", "lower the one, or raise the other"),
    of("closed before a keep-alive", "registrar.keep_alive_s=1000", "[registrar] keep_alive_s = 1000 is above [sip] idle_s = 900", "lower the one, or raise the other"),
    of("a line above the head", "sip.line_bytes=200000", "[sip] line_bytes", "lower the one, or raise the other"),
    # --- the database
    of("another database", "store.url=mysql://x", "[store] url", '"postgresql://user@host/name"'),
    of("two strokes", "store.url=sqlite://lyncpy.db", "[store] url", '"sqlite:///"'),
    of("in memory", "store.url=sqlite:///:memory:", "[store] url", '"sqlite:///"'),
    of("no host", "store.url=postgresql://user@/db", "[store] url", "must name a user, a host and a database"),
    of("a password in the URL", "store.url=postgresql://user:secret@db/x", "[store] url", "write it to a file and name that in password_file"),
    of("a port of PostgreSQL", "store.url=postgresql://user@db:port/x", "[store] url", '"host:port"'),
    of("an option of PostgreSQL", "store.url=postgresql://user@127.0.0.1:1/x?sslmod=disable", "'sslmod'", "none of"),
    of("a host of PostgreSQL", "store.url=postgresql://user@nobody.invalid/x", "[store] url", "correct the host in the url"),
    of("no PostgreSQL", POSTGRES, "[store] url", "start it, or correct host and port"),
    Wrong("no password of PostgreSQL", (POSTGRES, "store.password_file=no.txt"), "[store] password_file", "write the password"),
    of("several processes on SQLite", "pool.processes=4", "[pool] processes", "or leave it at 1"),
    # --- several servers
    of("a bus over HTTP", "bus.url=http://nats", "[bus] url", "or name servers"),
    of("no NATS", NATS, "[bus] url", "correct host and port in the url"),
    of("a host of NATS", "bus.url=nats://nobody.invalid:4222", "[bus] url", "correct host and port in the url"),
    of("a user without password", "bus.url=nats://me@127.0.0.1:1", "[bus]", "set both or none"),
    Wrong("no password of NATS", ("bus.url=nats://me@127.0.0.1:1", "bus.password_file=no"), "[bus] password_file", "write it"),
    Wrong("no authorities of NATS", ("bus.url=nats://127.0.0.1:1?tls=always", "bus.ca_file=no.pem"), "[bus] ca_file", "put the authorities"),
    Wrong("not one of them", ("pool.name=fe9", 'pool.servers=["fe1.example.com"]'), "[pool]", "add it, for all servers"),
    of("a server with a blank", 'pool.servers=["fe 1"]', "[pool] servers", "write a name as in DNS"),
    Wrong("one that is away", ("pool.name=a.invalid", 'pool.servers=["a.invalid", "b.invalid"]'), "[pool] servers: b.invalid", "not reached"),
    # --- directories
    of("a URL of LDAP", "directory.url=ldap:/127.0.0.1", "[directory] url", '"ldap://host"'),
    of("a file as a URL", "directory.url=file:people.toml", "[directory] url", "must be the name of a people file"),
    of("no LDAP server", LDAP[0], "[directory]", "correct url"),
    Wrong("a filter", (*LDAP, 'directory.filters=["(objectClass=person"]'), "[directory] filters", "correct it"),
    Wrong("a base", (LDAP[0], 'directory.bases=["example.com"]'), "[directory] bases", '"ou=people,dc=example,dc=com"'),
    Wrong("a base of groups", (*LDAP, 'directory.group_bases=["groups"]'), "[directory] group_bases", "write it as"),
    Wrong("a filter of groups", (*LDAP, 'directory.group_filters=["group"]'), "[directory] group_filters", "correct it"),
    file("an empty password", write("secret", ""), "[directory] bind_dn", "name a file that holds it in bind_password_file", *BOUND),
    file("authorities that are none", write("ca", "x"), "[directory]", "correct ca_file", "directory.url=ldaps://127.0.0.1:1", LDAP[1], "directory.ca_file=ca"),
    of("no people file", "directory.url=nobody.toml", "[directory] url", "make it, or name another one"),
    file("people as a list", write("people.toml", "alice, bob", 0o640), "people.toml", "an = is missing"),
    file("people in a list of tables", write("people.toml", '[[person]]\naddress = "a@example.com"\n', 0o640), "people.toml", "each person is a table"),
    # --- proofs, operators, policies
    file("a keytab", write("k", "no"), "[auth] keytab", "write it anew", "auth.keytab=k"),
    file("an empty keytab", write("k", b"\x05\x02"), "[auth] keytab", "add that service to it", "auth.keytab=k"),
    of("a program of Samba", 'auth.ntlm_auth=["ntlm_auth"]', "[auth] ntlm_auth", "with its whole path"),
    file("keys that are a folder", folder("authorized_keys"), "[admin] authorized_keys", "cannot be read"),
    file("a broken key", write("authorized_keys", "ssh-rsa garbage"), "[admin] authorized_keys", "copy the line of the .pub file again"),
    file("a private key", write("authorized_keys", "-----BEGIN OPENSSH PRIVATE KEY-----\n"), "[admin] authorized_keys", "write the line of the .pub file"),
    file("tokens that are no TOML", write("web-readers.toml", "x"), "[web] readers_file", "is missing"),
    file("a policy for nobody", append("\n[policies.sales]\nmembers = []\n"), "[policies.sales] members", "name people or groups, or remove it"),
    file("a member of elsewhere", append('\n[policies.sales]\nmembers = ["a@other.test"]\n'), "[policies.sales] members", "correct it"),
    file("a member that is nobody", append('\n[policies.sales]\nmembers = ["nobody@example.com"]\n'), '[policies.sales] members: "nobody@example.com"', "add who is meant to the directory"),
    file("a group that is none", append('\n[policies.sales]\nmembers = ["Sales"]\n'), '[policies.sales] members: "Sales"', "add who is meant to the directory"),
    file("a policy with a key that is none", append('\n[policies.sales]\nmembrs = ["a@example.com"]\n'), "[policies] sales.members", "add it"),
    # --- as an outsider broke them
    of("a label too long", f"sip.server_name={'a' * 64}.example.com", "[sip] server_name", "write a name as in DNS"),
    of("text for a list", "web.origins=5", "[web] origins", "write a list"),
    of("in another section", "sip.https_port=443", "[sip] https_port", "[web] has one: write it there"),
    Wrong("the oldest above the newest", ("auth.version=2", "auth.minimum_version=4"), "[auth] minimum_version", "above version"),
    file("quotes of a text processor", append("\n[log]\nlevel = \u201cdebug\u201d\n"), "[log] level", "write straight ones"),
    file("yes", append("\n[auth]\ntls_dsk = yes\n"), "[auth] tls_dsk", "write true, in small letters"),
    file("bytes of nothing", append("\0\0\0"), "NUL bytes", "bring a copy of it back"),
    file("JSON", write("people.toml", '[{"address": "a@example.com"}]', 0o640), "people.toml", "is JSON: write lines of TOML"),
    file("a page of the web", write("people.toml", "<html>", 0o640), "people.toml", "put the file itself there"),
    file("a key too short", lambda home: put(home, issue("sip.example.com", today=TODAY, key=rsa.generate_private_key(65537, 1024))), "[sip] certificate", "2048 bits"),
    file("a key that nobody knows", lambda home: put(home, issue("sip.example.com", today=TODAY, key=ec.generate_private_key(ec.SECP256K1()))), "[sip] certificate", "ECDSA on P-256"),
    file("a certificate cut off", lambda home: (home / "server.pem").write_bytes((home / "server.pem").read_bytes()[:600]), "[sip] certificate", "bring it here whole"),
    file("a link to nothing", linked, "[sip] certificate", "/nowhere/fullchain.pem, which is not there: put it there"),
    file("a pipe", piped, "[sip] certificate", "it is a pipe, not a file"),
    file("a file where the socket is to be", write("ctl.socket", "x"), "[admin] socket", "move it away"),
    file("traces into a file", write("traces", "x"), "[tracing] folder", "name another one"),
    file("another program's database", other_program, "[store] url", "name a file of this server's own"),
    file("a key of PuTTY's", write("authorized_keys", PUTTY), "[admin] authorized_keys", "ssh-keygen -i -f FILE"),
    of("a base in the URL", "directory.url=ldap://127.0.0.1/dc=example,dc=com", "[directory] url", "stands in bases and filters"),
    of("an address of LDAP without brackets", "directory.url=ldap://::1", "[directory] url", "brackets"),
    of("a password in LDAP's url", "directory.url=ldap://cn=a:geheim@h", "[directory] url", "bind_dn and bind_password_file"),
    of("a port of LDAP", "directory.url=ldap://127.0.0.1:ldap", "[directory] url", "must name host and port alone"),
    file("an authority that is none", write("op.pem", issue("sip.example.com").pem), "[web] operators_authority", "name the file of the one that issues", *OPERATORS),
    file("a list that has ended", write("op.pem", authority().pem + revocation_list(authority(), days=(-9, -1))), "[web] operators_authority", "until a new one is there", *OPERATORS),
    Wrong("a condition of a program", (*LDAP, 'directory.disabled_when=["locked==yes"]'), "[directory]", 'write one = in it, as in "name=value"'),
    Wrong("a source of addresses", (*LDAP, 'directory.address=["{"]'), "[directory]", "write attributes as {name}"),
    file("a line that is no key", write("authorized_keys", "hello world\n"), "[admin] authorized_keys", "line 1 lets nobody in: it is no key; copy the line of a .pub file here"),
    file("an option that is not known", write("authorized_keys", "command=\"ls\" ssh-ed25519 AAAA\n"), "[admin] authorized_keys", "only one that means something"),
    file("an announcer who is somebody", write("people.toml", '[alice]\naddress = "alice@example.com"\n', 0o640), "[im] announcer: alice@example.com is somebody's address", "name another one", "im.announcer=alice"),
    of("a key of the command line that is none", "sip.x=1", "--set sip.x: [sip] x", "remove it; known are"),
    of("a section of the command line that is none", "sp.domain=x", "--set sp.domain: [sp]", 'did you mean "sip"'),
    of("a value of the command line", "sip.tls_port=0x1G", "--set", "neither a number"),
    of("a range of the command line", "sip.tls_port=99999", "--set sip.tls_port: [sip] tls_port", "less than or equal"),
    # --- gateways
    file("a route to no gateway", gateway(route="Carrier"), "[voice.routes.out] gateways: there is no [voice.gateways.Carrier] (there is carrier)", "add it, or correct the name"),
    file("a route where there are no gateways", append(ROUTE.format("carrier")), "[voice.routes.out] gateways", "(there is none): add it"),
    file("a gateway's name that is none", gateway("gw.nobody.invalid"), "[voice.gateways.carrier] address: gw.nobody.invalid has no address", "correct it, or publish it in DNS"),
    file("gateways at the clients' port", gateway("127.0.0.1"), "[voice] gateway_port 5069: [sip] tls_port is the same", "choose another", "sip.tls_port=5069", "voice.gateway_port=5069"),
    file("a voice policy for nobody", append('[voice.policies.a]\nmembers = ["carla@example.com"]\n'), "[voice.policies.a] members", "correct it, or add who is meant"),
    file("a gateway with its port", gateway("gw.nobody.invalid:5061"), "[voice.gateways.carrier] address", "write the port, if it has one, as port"),
    file("a gateway as a URI", gateway("sip:gw.nobody.invalid"), "[voice.gateways.carrier] address", "no name of DNS"),
    file("a gateway's authority that is not there", gateway(more='authority = "gw.pem"'), "[voice.gateways.carrier] authority", "cannot be read (No such file or directory): put the certificate"),
    file("a gateway's authority that is none", both(write("gw.pem", "x"), gateway(more='authority = "gw.pem"')), "[voice.gateways.carrier] authority", "holds no certificate: put the certificate"),
    file("an authority of a gateway that has ended", both(write("gw.pem", issue("gw.example.com", days=(-9, -1), today=TODAY).pem), gateway(more='authority = "gw.pem"')), "[voice.gateways.carrier] authority", "have the new ones put there"),
    file("a gateway's authority without TLS", gateway(more='authority = "gw.pem"\ntransport = "udp"'), "[voice.gateways.carrier] authority: counts for TLS alone", 'set transport = "tls", or remove it'),
    file("a gateway's dial plan that is none", gateway(more='dial_plan = "berlin"'), "[voice.gateways.carrier] dial_plan", "add it, or correct the name"),
    file("a network of a gateway", gateway(more='sources = "192.0.2.7/24"'), "[voice] gateways.carrier.sources", "no address and no network"),
    file("SCTP to a gateway", gateway(more='transport = "sctp"'), "[voice] gateways.carrier.transport", "'udp', 'tcp' or 'tls'"),
    file("no console", write("op.pem", authority().pem), "[web] operators_port", "set [admin] console = true", *OPERATORS[:2]),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the home of a new server, in which nothing is wrong."""
    home = tmp_path_factory.mktemp("whole") / "home"
    assert main(["init", str(home), "--set", "sip.domain=example.com"]) == 0
    return home


def said(home: Path, settings: tuple[str, ...]) -> list[str]:
    """Give what `lyncpy check` says is wrong; of ports that other programs of this machine have nothing."""
    try:
        found = list(findings(load(home / "lyncpy.toml", settings), datetime.datetime.now(datetime.UTC)))
    except ConfigError as error:
        return str(error).splitlines()
    return [one.sentence for one in found if not one.good and "cannot be opened: process" not in one.sentence]


def test_there_are_eighty() -> None:
    """And each has a name of its own."""
    assert len(SETUPS) == len({one.name for one in SETUPS}) >= 100


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_the_answer_names_the_setting_and_what_to_do(whole: Path, tmp_path: Path, setup: Wrong) -> None:
    """In one sentence."""
    home = whole
    if setup.files is not None:
        home = tmp_path / "home"
        shutil.copytree(whole, home)
        setup.files(home)
    told = said(home, setup.settings)
    assert [one for one in told if setup.names in one and setup.remedy in one], "\n".join(told) or "nothing is said"


def test_the_authority_of_the_chain_is_not_complained_of(whole: Path, tmp_path: Path) -> None:
    """Of a set-up in which nothing is wrong nothing is said, also with an issuer."""
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    put(home, issue("sip.example.com", today=TODAY), authority())
    assert not [one for one in said(home, ()) if "chain" in one or "issuer" in one]
