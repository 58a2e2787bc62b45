"""A folder that a server can start from: configuration, certificates, demo people, keys."""

import datetime
import os
import secrets
import socket
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lyncpy.app import config
from lyncpy.app.discovery import own_host
from lyncpy.app.pool_settings import own_file
from lyncpy.core.timers import host_clock

DOMAIN: Final = "example.test"
YEARS: Final = datetime.timedelta(days=3650)
DEMO: Final[Mapping[str, Mapping[str, object]]] = {
    "alice": {
        "display_name": "Alice Adler",
        "title": "Head of Research",
        "department": "Research",
        "work": "+1 555 0100",
    },
    "bob": {"display_name": "Bob Brandt", "title": "Engineer", "department": "Research", "work": "+1 555 0101"},
    "carol": {"display_name": "Carol Castro", "title": "Controller", "department": "Finance", "work": "+1 555 0102"},
    "dave": {"display_name": "Dave Dumont", "title": "Sales", "department": "Sales", "work": "+1 555 0103"},
    "erin": {"display_name": "Erin Eriksen", "title": "Counsel", "department": "Legal", "work": "+1 555 0104"},
    "frank": {"display_name": "Frank Fischer", "title": "Support", "department": "Support", "work": "+1 555 0105"},
}
Accounts = Mapping[str, tuple[str, str]]
"""Short name → address and password."""

PEOPLE_HEAD: Final = "# The people of this server; it is read again at every pull.\n"


def write_config(home: Path, overrides: Sequence[str]) -> Path:
    """Write home/lyncpy.toml with these overrides, unless it exists; give its path.

    Raises:
        ConfigError: The overrides make no usable configuration; then nothing is written.
    """
    file = home / "lyncpy.toml"
    if file.exists():
        return file
    document = config.with_overrides({"sip": {"domain": DOMAIN}}, overrides)
    config.check(file.absolute(), document)
    tables = {section: table for section, table in document.items() if isinstance(table, dict)}
    head = "# Settings of this server. What is not here has its default;\n# `lyncpy settings` prints every setting and its sentence.\n\n"
    keep(file, head + config.written(tables))
    return file


PUBLIC: Final = 0o644
"""For what clients are given: certificates and public keys. All else is its owner's."""

OTHERS: Final = 0o007


def open_folder(folder: Path) -> None:
    """Make the folder, for its owner alone; remove the rights of others on one that a server has already.

    Of a folder that holds other things nothing is changed: it may be somebody's desk.
    """
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        folder.chmod(0o700)
    elif (folder / "lyncpy.toml").exists() or not any(folder.iterdir()):
        close_to_others(folder)


def close_to_others(path: Path) -> bool:
    """Remove the rights of other users on a file or folder; tell whether there were any."""
    try:
        mode = path.stat().st_mode
        if not mode & OTHERS:
            return False
        path.chmod(mode & 0o7777 & ~OTHERS)
    except OSError:
        return False  # not there, or another's: `lyncpy check` says so
    return True


def secret_files(settings: config.Config) -> Sequence[Path]:
    """Give the files that others must not read, whether or not they are there."""
    sections, home = settings.sections, settings.home
    named = [
        sections.store.key_file,
        sections.sip.private_key,
        sections.admin.authorized_keys,
        sections.web.readers_file,
        sections.archive.gap_file,
        # With the database the two that SQLite makes beside it: what was written last is in them.
        *(sections.store.path + suffix for suffix in ("", "-wal", "-shm") if sections.store.is_sqlite),
    ]
    named += [
        name
        for name in (
            sections.store.password_file,
            sections.store.backup_passphrase_file,
            sections.bus.password_file,
            sections.bus.nkey_file,
        )
        if name
    ]
    if sections.log.json_file:
        named.append(sections.log.json_file)
    named += [one.url for one in settings.directories if not one.is_ldap]
    named += [one.bind_password_file for one in settings.directories if one.bind_password_file]
    named += [sections.auth.keytab] if sections.auth.keytab else []
    # Of several processes each has files of its own.
    for number in range(1, sections.pool.processes + 1):
        named += [own_file(name, number) for name in (sections.archive.gap_file, sections.log.json_file) if name]
    own = [settings.file, home / "ca.key", home / "admin_key", home / "demo-accounts.toml"]
    return [*own, *(settings.path(name) for name in named)]


def open_to_others(settings: config.Config) -> Sequence[Path]:
    """Give the server's folder, if others can read it, and whatever else they can read and should not."""
    found = []
    for path in (settings.home, *secret_files(settings)):
        with suppress(OSError):
            if path.stat().st_mode & OTHERS:
                found.append(path)
    return found


def open_to_writers(settings: config.Config) -> Sequence[Path]:
    """Give what everybody may read, and others can change though it says who is trusted."""
    sip, sections = settings.sections.sip, settings.sections
    named = [sip.certificate, sip.chain, sections.store.ca_file, sections.bus.ca_file]
    named += [one.ca_file for one in settings.directories]
    found = []
    for path in dict.fromkeys(settings.path(name) for name in named if name):
        with suppress(OSError):
            if path.stat().st_mode & stat.S_IWOTH:
                found.append(path)
    return found


def of_other_owners(settings: config.Config) -> Iterator[tuple[Path, int, int]]:
    """Give the files in the server's folder that are another user's than that is, with both: a start as one of them fails.

    A link is no such file: what it leads to stands elsewhere, as the settings of a package, which may belong to root.
    """
    with suppress(OSError):
        usual = settings.home.stat().st_uid
        for path in dict.fromkeys(secret_files(settings)):
            with suppress(OSError):
                owner = path.stat().st_uid
                if owner != usual and settings.home in path.parents and not path.is_symlink():
                    yield path, owner, usual


def keep(file: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a new file whole or not at all, with these permissions from its first byte on."""
    data = content.encode() if isinstance(content, str) else content
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def write_certificates(home: Path, settings: config.Config) -> None:
    """Make a private authority and the server's certificates, unless the files are there.

    One is of an RSA key, which all clients can use, the other of an ECDSA key, which makes a handshake a third
    cheaper. Each bears every name that a client may use for this machine: the server
    name, the discovery names of all domains, the host's own name and loopback.
    """
    ca_file, ca_key_file = home / "ca.pem", home / "ca.key"
    sip = settings.sections.sip
    certificate, key_file = settings.path(sip.certificate), settings.path(sip.private_key)
    if certificate.exists() or key_file.exists():
        return
    if not (ca_file.exists() and ca_key_file.exists()):
        ca_key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lyncpy private authority {secrets.token_hex(4)}")])
        keep(ca_key_file, _pem(ca_key), 0o600)
        keep(ca_file, _sign(name, name, ca_key.public_key(), ca_key, ()), PUBLIC)
    ca_key_read = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
    if not isinstance(ca_key_read, rsa.RSAPrivateKey):
        raise config.ConfigError(
            [f"{ca_key_file}: is not an RSA key; move ca.pem and ca.key away to have new ones made"]
        )
    ca = x509.load_pem_x509_certificate(ca_file.read_bytes())
    keys = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, sip.server_name[:64])])
    names = names_of(sip.server_name, sip.all_domains, own_host(settings))
    keep(key_file, b"".join(_pem(key) for key in keys), 0o600)
    signed = [_sign(subject, ca.subject, key.public_key(), ca_key_read, names) for key in keys]
    keep(certificate, b"".join(signed), PUBLIC)


def names_of(server_name: str, domains: Sequence[str], own: str = "") -> tuple[str, ...]:
    """Give the names and addresses that clients may connect to, each once; `own` is that of one server of several."""
    discovery = ("sip", "sipinternal", "sipexternal", "lyncdiscover", "lyncdiscoverinternal", "meet")
    names = [
        server_name,
        own,
        *(name for domain in domains for name in (domain, *(f"{host}.{domain}" for host in discovery))),
    ]
    names += [socket.gethostname().lower(), socket.getfqdn().lower(), "localhost", "127.0.0.1", "::1"]
    return tuple(dict.fromkeys(name for name in names if name))


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    by: rsa.RSAPrivateKey,
    names: Sequence[str],
) -> bytes:
    """Issue a certificate: of an authority when it has no names, else of a server."""
    now = datetime.datetime.fromtimestamp(host_clock(), datetime.UTC)
    is_ca = not names
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + YEARS)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(is_ca=is_ca, deciphers=isinstance(public, rsa.RSAPublicKey)), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _usage(*, is_ca: bool, deciphers: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=deciphers and not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_demo_people(
    home: Path, settings: config.Config, keep_passwords: Callable[[Accounts], object] = lambda accounts: None
) -> Accounts:
    """Write people.toml and demo-accounts.toml when there are no people yet.

    The people come last: whoever is interrupted before has none, and the next run begins anew.

    Args:
        keep_passwords: Puts them where the server finds them.

    Returns:
        For each new account its address and password; empty when people were there, or
        come from elsewhere.
    """
    people = settings.path(settings.sections.directory.url)
    accounts_file = home / "demo-accounts.toml"
    if "://" in settings.sections.directory.url or people.exists():
        return {}
    domain = settings.sections.sip.domain
    accounts = {name: (f"{name}@{domain}", _password()) for name in DEMO}
    keep(
        accounts_file, config.written({name: {"address": a, "password": p} for name, (a, p) in accounts.items()}), 0o600
    )
    keep_passwords(accounts)
    lines = {
        name: {
            "address": f"{name}@{domain}",
            "display_name": facts["display_name"],
            "mail": f"{name}@{domain}",
            "title": facts["title"],
            "department": facts["department"],
            "company": "Example Company",
            "phones": {"work": facts["work"]},
        }
        for name, facts in DEMO.items()
    }
    keep(people, f"{PEOPLE_HEAD}\n{config.written(lines)}")
    return accounts


def write_empty_people(settings: config.Config) -> None:
    """Write a people file without people that shows how one is added, unless there is one or none is read."""
    people = settings.path(settings.sections.directory.url)
    if "://" in settings.sections.directory.url or people.exists():
        return
    alice = {"address": f"alice@{settings.sections.sip.domain}", "display_name": DEMO["alice"]["display_name"]}
    example = "".join(f"# {line}\n" for line in config.written({"alice": alice}).splitlines() if line)
    keep(people, f"{PEOPLE_HEAD}# A person is a table, written like this:\n#\n{example}")


def _password() -> str:
    """Make a password that can be read aloud and typed."""
    letters = "abcdefghjkmnpqrstuvwxyz"
    word = "".join(secrets.choice(letters) for _ in range(8))
    return f"{word[:4]}-{word[4:]}-{secrets.randbelow(9000) + 1000}"


def write_admin_key(home: Path, authorized_keys: Path) -> None:
    """Make a key for the shell and authorize it, unless a key is authorized already."""
    private = home / "admin_key"
    if authorized_keys.exists() or private.exists():
        return
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    keep(
        private,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
        0o600,
    )
    line = public + b" admin\n"
    keep(home / "admin_key.pub", line, PUBLIC)
    keep(authorized_keys, line, 0o600)
