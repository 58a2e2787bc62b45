"""A real Active Directory of the test's own: a Samba domain controller, its schema extended as Lync's setup does it."""

import base64
import fcntl
import os
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ldap3 import BASE, MODIFY_DELETE, MODIFY_REPLACE, NONE, Connection, Server, Tls

from tests.kit.certificates import authority, issue
from tests.kit.daemon import Daemon, answers

SUFFIX: Final = "DC=ad,DC=example,DC=com"
REALM: Final = "AD.EXAMPLE.COM"
DOMAIN: Final = "EXAMPLE"
STAFF: Final = f"OU=Staff,{SUFFIX}"
ADMINISTRATOR: Final = f"CN=Administrator,CN=Users,{SUFFIX}"
ADMINISTRATOR_PASSWORD: Final = "Adm1n-Secret!"
READER: Final = "reader@ad.example.com"
READER_DN: Final = f"CN=reader,CN=Users,{SUFFIX}"
READER_PASSWORD: Final = "Re4der-Secret!"

PROVISION_S: Final = 120.0

SOCKETS: Final = "/run/samba"
"""Where Samba's programs look for winbind, whatever their smb.conf says."""

NEEDED: Final = ("samba", "samba-tool", "ldbmodify", "ldbadd")
"""From Debian's samba-ad-dc, samba-ad-provision, samba-dsdb-modules, samba-vfs-modules and ldb-tools."""

SCHEMA: Final[Mapping[str, tuple[str, int]]] = {
    "msRTCSIP-PrimaryUserAddress": ("2.5.5.12", 64),
    "msRTCSIP-UserEnabled": ("2.5.5.8", 1),
    "msRTCSIP-Line": ("2.5.5.12", 64),
    "msRTCSIP-OptionFlags": ("2.5.5.9", 2),
}
"""Attributes with their syntax: attributeSyntax and oMSyntax."""

ENABLED: Final = 512
DISABLED: Final = 514
"""userAccountControl of an ordinary account, and of one with the bit for disabled."""


def missing() -> str:
    """Say what keeps this machine from running a domain controller; "" when nothing does."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return f"no Samba domain controller can be made here: {', '.join(lacking)} not installed (samba-ad-dc samba-ad-provision ldb-tools)"
    return "" if os.geteuid() == 0 else "a domain controller has the ports 389 and 636, and that needs root"


def free_address() -> str:
    """Find an address of this machine's own network whose LDAP ports nobody has: they cannot be chosen."""
    while True:
        address = f"127.{64 + secrets.randbelow(128)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        try:
            for port in (88, 389, 464, 636, 3268, 3269):
                with socket.create_server((address, port)):
                    pass
        except OSError:
            continue
        return address


def apart(folder: Path, words: Sequence[str]) -> Sequence[str]:
    """Give a command whose winbind is another than everybody's: the place of its socket is built into Samba's programs.

    Args:
        folder: What it has for that place; it is made.
        words: The command, which takes the place of the one that is given.
    """
    folder.mkdir(exist_ok=True)
    script = f"mkdir -p {SOCKETS} && mount --bind {folder} {SOCKETS} && exec {shlex.join(words)}"
    return ("unshare", "--mount", "sh", "-c", script)


TEMPLATE_ADDRESS: Final = "127.0.0.1"
"""Stands where an address of its own stands in a domain that is copied."""


def provisioned(shared: Path) -> Path:
    """Give the folder of a domain with Lync's schema that nobody runs, to be copied.

    Making it takes six seconds of processor time: the first to ask does, and the other processes of the run wait.

    Args:
        shared: A folder that all processes of the run have in common.
    """
    made, making = shared / "samba-template", shared / "samba-template.part"
    with (shared / "samba-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(making, ignore_errors=True)
            _provision(making)
            _extend_schema(making)
            making.rename(made)
    return made


class Samba:
    """Copies, fills, stops and starts a domain controller that does LDAP, and what else a test needs. Use as a context manager."""

    def __init__(self, folder: Path, template: Path, services: str = "ldap", *, apart: bool = False) -> None:
        """Choose an address; nothing is made yet.

        Args:
            folder: Where it keeps everything; it is made.
            template: What `provisioned` gives.
            services: As Samba calls them: "ldap, kdc" gives tickets too.
            apart: Whether its winbindd is its own, as on a computer of its own.
        """
        self._template = template
        self._services = services
        self._apart = apart
        self.folder = folder
        self.address = free_address()
        self.url = f"ldap://{self.address}"
        self.tls_url = f"ldaps://{self.address}"
        self.ca_file = folder / "ca.pem"
        self.password_file = folder / "reader.password"
        self._config = folder / "etc" / "smb.conf"
        self._daemon = Daemon(folder / "said.log", is_held=True)
        self._link: Any = None  # Any: ldap3 has no types

    # --- its life

    def __enter__(self) -> "Samba":
        self._copy()
        self.start()
        self.add_ou(STAFF)
        self.add("reader", ou=f"CN=Users,{SUFFIX}", plain=True, password=READER_PASSWORD)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _copy(self) -> None:
        shutil.copytree(self._template, self.folder, dirs_exist_ok=True)
        tls = self.folder / "tls"
        tls.mkdir()
        # The clock of the server is the real one, so its certificate must be of these days.
        issued = issue(self.address, "localhost", today=datetime.now(UTC))
        self.ca_file.write_bytes(authority().pem)
        (tls / "cert.pem").write_bytes(issued.pem)
        (tls / "key.pem").write_bytes(issued.key_pem())
        (tls / "key.pem").chmod(0o600)
        self.password_file.write_text(READER_PASSWORD + "\n")
        # Of all its files only this one knows where they are: the template's own place, and that before it was renamed.
        text = self._config.read_text()
        for old, new in (
            (f"{self._template}.part", str(self.folder)),
            (f"interfaces = {TEMPLATE_ADDRESS}/8", f"interfaces = {self.address}/8"),
            ("server services = ldap\n", f"server services = {self._services}\n"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self._config.write_text(text)

    def write_keytab(self, principal: str, keytab: Path) -> None:
        """Write the keys of an account, by one of its names, as ktpass does."""
        _run(
            *("samba-tool", "domain", "exportkeytab", str(keytab), f"--principal={principal}"),
            f"--configfile={self._config}",
        )
        keytab.chmod(0o600)

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.folder / "ncalrpc").mkdir(exist_ok=True)
        (self.folder / "run").mkdir(exist_ok=True)
        words = ["samba", "--interactive", "--model=single", f"--configfile={self._config}"]
        self._daemon.start(
            apart(self.folder / "apart", words) if self._apart else words, lambda: answers(self.address, 636)
        )

    def stop(self) -> None:
        """Stop it; may be called twice."""
        if self._link is not None:
            self._link.unbind()
            self._link = None
        self._daemon.stop()

    # --- its people

    def load(self, names: Iterable[str], ou: str = STAFF) -> None:
        """Add many people at once."""
        _ldb(self.folder, "ldbadd", (_ldif(f"CN={name},{ou}", person(name)) for name in names))

    def add_ou(self, dn: str) -> str:
        """Add a place in the tree; give its DN."""
        self.do("add", dn, attributes={"objectClass": "organizationalUnit"})
        return dn

    def add(
        self, name: str, *, ou: str = STAFF, cn: str = "", plain: bool = False, password: str = "", **attributes: object
    ) -> str:
        """Add a person and give the DN; `_` in a name stands for `-`, `plain` is somebody without Lync."""
        dn = f"CN={cn or name},{ou}"
        fields = {**person(name), **{key.replace("_", "-"): value for key, value in attributes.items()}}
        if plain:
            fields = {key: value for key, value in fields.items() if not key.startswith("msRTCSIP")}
        if password:
            fields["unicodePwd"] = f'"{password}"'.encode("utf-16-le")
        self.do("add", dn, attributes=fields)
        return dn

    def modify(self, dn: str, **attributes: object) -> None:
        """Replace attributes; an empty list removes one."""
        changes = {
            name.replace("_", "-"): [(MODIFY_REPLACE, value if isinstance(value, list) else [value])]
            for name, value in attributes.items()
        }
        self.do("modify", dn, changes=changes)

    def delete(self, dn: str) -> None:
        """Remove an entry; a tombstone stays."""
        self.do("delete", dn)

    def undelete(self, key: str, dn: str) -> None:
        """Bring a tombstone back, by the key that it always had."""
        changes = {"isDeleted": [(MODIFY_DELETE, [])], "distinguishedName": [(MODIFY_REPLACE, [dn])]}
        tombstone = f"{dn.partition(',')[0]}\\0ADEL:{key},CN=Deleted Objects,{SUFFIX}"
        self.do("modify", tombstone, changes=changes, controls=[("1.2.840.113556.1.4.417", True, None)])

    def rename(self, dn: str, rdn: str, *, under: str | None = None) -> None:
        """Rename an entry, or move it."""
        self.do("modify_dn", dn, relative_dn=rdn, new_superior=under)

    def read(self, dn: str, *names: str) -> Mapping[str, list[bytes]]:
        """Give attributes of an entry as they are kept."""
        self.do("search", dn, search_filter="(objectClass=*)", search_scope=BASE, attributes=list(names))
        found: Mapping[str, list[bytes]] = self._link.response[0]["raw_attributes"]
        return found

    def do(self, operation: str, dn: str, **arguments: object) -> None:
        """Do an LDAP operation as the administrator."""
        if self._link is None:
            tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.ca_file))
            server = Server(self.address, port=636, use_ssl=True, tls=tls, get_info=NONE, connect_timeout=5)
            self._link = Connection(
                server, ADMINISTRATOR, ADMINISTRATOR_PASSWORD, receive_timeout=10, check_names=False, auto_bind=True
            )
        assert getattr(self._link, operation)(dn, **arguments), self._link.result


def person(name: str) -> dict[str, object]:
    """Give the attributes of a person as an office would keep them."""
    return {
        "objectClass": "user",
        "sAMAccountName": name,
        "userPrincipalName": f"{name}@ad.example.com",
        "userAccountControl": str(ENABLED | 32),  # 32: a password is not needed, and nobody here has one
        "sn": "Example",
        "givenName": name.title(),
        "displayName": f"{name.title()} Example",
        "mail": f"{name}@mail.example.com",
        "title": "Engineer",
        "company": "Example Ltd",
        "department": "Research",
        "physicalDeliveryOfficeName": "B 2.17",
        "telephoneNumber": "+1 425 555 0100",
        "mobile": "+1 425 555 0101",
        "msRTCSIP-PrimaryUserAddress": f"sip:{name}@example.com",
        "msRTCSIP-UserEnabled": "TRUE",
        "msRTCSIP-OptionFlags": "257",
    }


def _provision(folder: Path) -> None:
    (folder / "private").mkdir(parents=True)
    options = {
        "interfaces": f"{TEMPLATE_ADDRESS}/8",
        "bind interfaces only": "yes",
        "server services": "ldap",
        "pid directory": f"{folder}/run",
        "ncalrpc dir": f"{folder}/ncalrpc",
        "log file": f"{folder}/samba.log",
        "tls keyfile": f"{folder}/tls/key.pem",
        "tls certfile": f"{folder}/tls/cert.pem",
        "tls cafile": f"{folder}/ca.pem",
        # File attributes that Samba wants for its shares: in a file, for not every file system has them.
        "posix:eadb": f"{folder}/eadb.tdb",
        "vfs objects": "dfs_samba4 acl_xattr xattr_tdb",
    }
    _run(
        *("samba-tool", "domain", "provision", f"--targetdir={folder}", f"--realm={REALM}"),
        *(f"--domain={DOMAIN}", f"--adminpass={ADMINISTRATOR_PASSWORD}", "--host-name=dc1"),
        *(f"--host-ip={TEMPLATE_ADDRESS}", "--dns-backend=NONE", "--server-role=dc"),
        *(f"--option={name}={value}" for name, value in options.items()),
    )


def _extend_schema(folder: Path) -> None:
    schema = f"CN=Schema,CN=Configuration,{SUFFIX}"
    fresh = "dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1"
    attributes = [
        f"dn: CN={name},{schema}\nchangetype: add\nobjectClass: attributeSchema\nlDAPDisplayName: {name}\n"
        f"attributeID: 1.3.6.1.4.1.4203.666.77.3.{n}\nattributeSyntax: {syntax}\noMSyntax: {om}\n"
        "isSingleValued: TRUE\nsearchFlags: 1\nisMemberOfPartialAttributeSet: TRUE"
        for n, (name, (syntax, om)) in enumerate(SCHEMA.items(), 1)
    ]
    allowed = "".join(f"\nmayContain: {name}" for name in SCHEMA)
    user = f"dn: CN=User,{schema}\nchangetype: modify\nadd: mayContain{allowed}"
    for step in ([*attributes, fresh], [user, fresh]):
        _ldb(folder, "ldbmodify", step, "--option=dsdb:schema update allowed=true")


def _ldb(folder: Path, tool: str, entries: Iterable[str], *options: str) -> None:
    words = (tool, "-H", f"{folder}/private/sam.ldb", f"--configfile={folder}/etc/smb.conf", *options)
    _run(*words, said="\n\n".join(entries) + "\n")


def _ldif(dn: str, attributes: Mapping[str, object]) -> str:
    def line(name: str, value: object) -> str:
        return f"{name}:: {base64.b64encode(str(value).encode()).decode()}"

    return "\n".join([line("dn", dn), *(line(name, value) for name, value in attributes.items())])


def _run(*words: str, said: str = "") -> Sequence[str]:
    ran = subprocess.run(words, input=said, capture_output=True, text=True, timeout=PROVISION_S, check=False)
    assert ran.returncode == 0, f"{words[0]}: {ran.stdout}{ran.stderr}"
    return ran.stdout.splitlines()


def reading(samba: Samba, **settings: Any) -> dict[str, Any]:  # Any: what Settings takes
    """Give the settings with which an administrator would read it."""
    usual = {
        "url": samba.tls_url,
        "preset": "activedirectory",
        "ca_file": "ca.pem",
        "bind_dn": READER,
        "bind_password_file": "reader.password",
        "answer_timeout_s": 10,
        "connect_timeout_s": 5,
    }
    return {**usual, **settings}
