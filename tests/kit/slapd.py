"""A real OpenLDAP server of the test's own: unprivileged, on 127.0.0.1, with a schema that carries Lync's attributes."""

import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.kit.certificates import authority, issue
from tests.kit.daemon import Daemon, answers
from tests.kit.ldap_administrator import LdapAdministrator
from tests.kit.ports import free_ports

SLAPD = Path("/usr/sbin/slapd")
SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
ROOT_DN = f"cn=admin,{SUFFIX}"
ROOT_PASSWORD = "root-secret"
READER_DN = f"cn=lyncpy,{SUFFIX}"
READER_PASSWORD = "reader-secret"

ARC = "1.3.6.1.4.1.4203.666.77"
TEXT = "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE"
INTEGER = "EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE"
BOOLEAN = "EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE"
OCTETS = "EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE"

ATTRIBUTES: Mapping[str, str] = {
    "msRTCSIP-PrimaryUserAddress": TEXT,
    "msRTCSIP-UserEnabled": BOOLEAN,
    "msRTCSIP-Line": TEXT,
    "msRTCSIP-OptionFlags": INTEGER,
    "sambaNTPassword": TEXT,
    "sAMAccountName": TEXT,
    "userPrincipalName": TEXT,
    "objectGUID": OCTETS,
    "uSNChanged": INTEGER,
    "userAccountControl": INTEGER,
    "company": TEXT,
    "department": TEXT,
    "otherTelephone": TEXT,
    "locked": TEXT,
    "accountExpires": TEXT,
    "pwdLastSet": TEXT,
    "rawNote": OCTETS,
    "dsServiceName": TEXT,
    "highestCommittedUSN": TEXT,
}


def schema() -> str:
    """Write the schema file: the attributes, and one auxiliary class that allows them all."""
    lines = [
        f"attributetype ( {ARC}.2.{n} NAME '{name}' {kind} )" for n, (name, kind) in enumerate(ATTRIBUTES.items(), 1)
    ]
    lines.append(f"objectclass ( {ARC}.1.1 NAME 'lyncTestUser' SUP top AUXILIARY MAY ( {' $ '.join(ATTRIBUTES)} ) )")
    return "\n".join(lines) + "\n"


class Slapd(LdapAdministrator):
    """Starts, fills, freezes and stops a server. Use as a context manager."""

    administrator = (ROOT_DN, ROOT_PASSWORD)

    def __init__(
        self,
        folder: Path,
        *,
        root_dse: str = "",
        size_limit: str = "unlimited",
        names: Sequence[str] = ("127.0.0.1", "localhost"),
    ) -> None:
        """Write its configuration.

        `root_dse` are more attributes of the root DSE, as lines of LDIF; `names` stand in its certificate.
        """
        self.folder = folder
        self.port, self.tls_port = free_ports(2)
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.tls_url = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ca_file = folder / "ca.pem"
        self.password_file = folder / "reader.password"
        self._daemon = Daemon(self.folder / "slapd.log")
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self._write(size_limit, names)
        self.tell_root(root_dse)

    def _write(self, size_limit: str, names: Sequence[str]) -> None:
        folder = self.folder
        # The clock of the server is the real one, so its certificate must be of these days.
        issued = issue(*names, today=datetime.now(UTC))
        self.ca_file.write_bytes(authority().pem)
        (folder / "slapd.pem").write_bytes(issued.pem)
        (folder / "slapd.key").write_bytes(issued.key_pem())
        self.password_file.write_text(READER_PASSWORD + "\n")
        (folder / "lync.schema").write_text(schema())
        (folder / "slapd.conf").write_text(
            "\n".join(
                [
                    *(f"include /etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")),
                    f"include {folder}/lync.schema",
                    "modulepath /usr/lib/ldap",
                    "moduleload back_mdb",
                    f"pidfile {folder}/slapd.pid",
                    f"rootDSE {folder}/root.ldif",
                    f"TLSCertificateFile {folder}/slapd.pem",
                    f"TLSCertificateKeyFile {folder}/slapd.key",
                    f"sizelimit {size_limit}",
                    "database mdb",
                    f'suffix "{SUFFIX}"',
                    f'rootdn "{ROOT_DN}"',
                    f"rootpw {ROOT_PASSWORD}",
                    f"directory {folder}/data",
                    "maxsize 268435456",
                    "dbnosync",
                    "index objectClass,entryUUID,uid eq",
                    "access to attrs=userPassword by anonymous auth",
                    "access to * by * read",
                    "",
                ]
            )
        )

    def tell_root(self, root_dse: str) -> None:
        """Change what the root DSE shows; seen after the next start."""
        extra = f"objectClass: lyncTestUser\n{root_dse}" if root_dse else ""
        (self.folder / "root.ldif").write_text(f"dn:\nobjectClass: top\nobjectClass: OpenLDAProotDSE\n{extra}\n")

    # --- its life

    def __enter__(self) -> "Slapd":
        self.load(
            [
                f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example",
                f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people",
                f"dn: ou=others,{SUFFIX}\nobjectClass: organizationalUnit\nou: others",
                f"dn: {READER_DN}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
                f"cn: lyncpy\nuserPassword: {READER_PASSWORD}",
            ]
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def load(self, entries: Iterable[str]) -> None:
        """Add many entries (LDIF) while the server is stopped."""
        subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", str(self.folder / "slapd.conf")],
            input=("\n\n".join(entries) + "\n").encode(),
            check=True,
            capture_output=True,
            timeout=60,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [str(SLAPD), "-f", str(self.folder / "slapd.conf"), "-h", f"{self.url} {self.tls_url}", "-d", "0"]
        self._daemon.start(words, lambda: answers("127.0.0.1", self.tls_port))

    def stop(self) -> None:
        """Stop it; may be called twice."""
        self._daemon.stop()

    def freeze(self) -> None:
        """Have it hang: connections are taken, nothing is answered."""
        self._daemon.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._daemon.signal(signal.SIGCONT)

    # --- its people

    def add(self, uid: str, *, ou: str = PEOPLE, drop: Sequence[str] = (), **attributes: object) -> str:
        """Add a person and give the DN; `_` in a name stands for `-`, `drop` names attributes to leave out."""
        dn = f"uid={uid},{ou}"
        fields = {**person(uid), **{name.replace("_", "-"): value for name, value in attributes.items()}}
        self.do("add", dn, attributes={name: value for name, value in fields.items() if name not in drop})
        return dn


def person(uid: str) -> dict[str, object]:
    """Give the attributes of a person as an office would keep them."""
    return {
        "objectClass": ["inetOrgPerson", "lyncTestUser"],
        "uid": uid,
        "cn": f"{uid.title()} Example",
        "sn": "Example",
        "givenName": uid.title(),
        "displayName": f"{uid.title()} Example",
        "mail": f"{uid}@example.com",
        "title": "Engineer",
        "departmentNumber": "Research",
        "o": "Example Ltd",
        "physicalDeliveryOfficeName": "B 2.17",
        "telephoneNumber": "+1 425 555 0100",
        "mobile": "+1 425 555 0101",
        "msRTCSIP-PrimaryUserAddress": f"sip:{uid}@example.com",
        "msRTCSIP-UserEnabled": "TRUE",
    }


def ldif(uid: str, ou: str = PEOPLE) -> str:
    """Give a person as LDIF, for `load`."""
    lines = [f"dn: uid={uid},{ou}"]
    for name, value in person(uid).items():
        lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value])]
    return "\n".join(lines)
