"""A real 389 Directory Server of the test's own, unprivileged, on 127.0.0.1, laid out as FreeIPA lays its directory out."""

import base64
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.kit.certificates import authority, issue
from tests.kit.daemon import PATIENCE_S, Daemon, answers
from tests.kit.ldap_administrator import LdapAdministrator
from tests.kit.ports import free_ports

SERVER: Final = Path("/usr/sbin/ns-slapd")
SHARED: Final = Path("/usr/share/dirsrv")

SUFFIX: Final = "dc=example,dc=com"
ACCOUNTS: Final = f"cn=accounts,{SUFFIX}"
PEOPLE: Final = f"cn=users,{ACCOUNTS}"
GROUPS: Final = f"cn=groups,{ACCOUNTS}"
DELETED: Final = f"cn=deleted users,cn=accounts,cn=provisioning,{SUFFIX}"
"""Where FreeIPA puts whom an administrator preserves."""

POLICIES: Final = f"cn=policies,{SUFFIX}"
READER_DN: Final = f"uid=lyncpy,cn=sysaccounts,cn=etc,{SUFFIX}"
READER_PASSWORD: Final = "reader-secret"

NEEDED: Final = ("ns-slapd", "pk12util")
"""From Debian's 389-ds-base and libnss3-tools."""

IN_THE_FOREGROUND: Final = "266354688"
"""The debug level that keeps it there, and writes no more than errors."""

ON: Final = ("MemberOf Plugin", "referential integrity postoperation")
"""Plugins that FreeIPA has on."""

# FreeIPA's schema, as far as it is used here; its own object identifiers.
SCHEMA: Final = """dn: cn=schema
attributeTypes: ( 2.16.840.1.113730.3.8.3.1 NAME 'ipaUniqueID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectClasses: ( 2.16.840.1.113730.3.8.4.1 NAME 'ipaObject' SUP top AUXILIARY MAY ipaUniqueID )
objectClasses: ( 2.16.840.1.113730.3.8.4.5 NAME 'nestedGroup' SUP groupOfNames STRUCTURAL MAY memberOf )
objectClasses: ( 2.16.840.1.113730.3.8.4.6 NAME 'ipaUserGroup' SUP nestedGroup STRUCTURAL )
"""

# To whom FreeIPA shows what: nothing but what is named. entryUUID is not among it.
ACCESS: Final = (
    '(targetattr="cn || sn || uid || givenName || displayName || title || objectClass || createTimestamp || modifyTimestamp")'
    '(version 3.0; acl "standard"; allow (read,search,compare) userdn="ldap:///anyone";)',
    '(targetattr="mail || telephoneNumber || mobile || jpegPhoto || ou || o || manager || member || memberOf || ipaUniqueID || '
    'krbPrincipalName || krbPrincipalExpiration || krbPasswordExpiration || krbLastPwdChange || nsAccountLock || nsUniqueId")'
    '(version 3.0; acl "of accounts"; allow (read,search,compare) userdn="ldap:///all";)',
)


def missing() -> str:
    """Say what keeps this machine from running one; "" when nothing does."""
    lacking = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    return (
        f"no 389 Directory Server can be made here: {', '.join(lacking)} not installed (389-ds-base)" if lacking else ""
    )


class Ds389(LdapAdministrator):
    """Makes, starts, fills and stops a server. Use as a context manager."""

    administrator = ("cn=Directory Manager", "root-secret")

    def __init__(self, folder: Path) -> None:
        """Write its configuration."""
        self.folder = folder
        self.port, self.tls_port = free_ports(2)
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.tls_url = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ca_file = folder / "ca.pem"
        self.password_file = folder / "reader.password"
        self._daemon = Daemon(self.folder / "said.log")
        for name in ("schema", "lock", "tmp", "ldif", "bak", "run", "log", "db", "home"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._write_schema()
        (folder / "dse.ldif").write_text(self._configuration())
        self._write_certificate()
        self.password_file.write_text(READER_PASSWORD + "\n")

    def _write_schema(self) -> None:
        schema = self.folder / "schema"
        for file in (*(SHARED / "schema").iterdir(), SHARED / "data" / "60kerberos.ldif"):
            (schema / file.name).symlink_to(file)
        (schema / "99user.ldif").write_text(SCHEMA)

    def _configuration(self) -> str:
        """Fill the templates of the distribution, as dscreate does; it would want systemd, and a second."""
        folder = self.folder
        places = {
            f"{name}_dir": str(folder / name) for name in ("schema", "lock", "tmp", "ldif", "bak", "run", "log", "db")
        }
        given = {
            **places,
            "cert_dir": str(folder),
            "inst_dir": str(folder),
            "db_home_dir": str(folder / "home"),
            "config_dir": "/etc/dirsrv/config",
            "fqdn": "localhost",
            "ds_port": str(self.port),
            "ds_user": pwd.getpwuid(os.geteuid()).pw_name,
            "rootdn": self.administrator[0],
            "ds_passwd": _hashed(self.administrator[1]),
            "ldapi_enabled": "off",
            "ldapi": str(folder / "run" / "ldapi"),
            "ldapi_autobind": "off",
            "ds_suffix": SUFFIX,
            "ds_bename": "userRoot",
            "db_lib": "bdb",
        }
        texts = [(SHARED / "data" / f"template-{name}.ldif").read_text() for name in ("dse", "suffix-db")]
        text = re.sub(r"^#.*\n", "", "\n".join(texts), flags=re.MULTILINE)
        text = re.sub(r"%(\w+)%", lambda match: given[match[1]], text)
        entries = [one.strip() for one in text.split("\n\n") if one.strip()]
        return "\n\n".join(map(self._adapted, entries)) + "\n"

    def _adapted(self, entry: str) -> str:
        """Set what a test needs: TLS, a host, small caches, quick hashes, a policy for each entry, some plugins."""
        first = entry.partition("\n")[0].removeprefix("dn: ")
        more: dict[str, str] = {}
        if first == "cn=config":
            more = {
                "nsslapd-listenhost": "127.0.0.1",
                "nsslapd-securelistenhost": "127.0.0.1",
                "nsslapd-security": "on",
                "nsslapd-securePort": str(self.tls_port),
                "nsslapd-maxdescriptors": "1024",
                "nsslapd-accesslog-logging-enabled": "off",
                "nsslapd-rootpwstoragescheme": "SSHA512",
                "passwordStorageScheme": "SSHA512",
                "nsslapd-pwpolicy-local": "on",
            }
        elif first == "cn=config,cn=ldbm database,cn=plugins,cn=config":
            more = {"nsslapd-cache-autosize": "0", "nsslapd-dbcachesize": "4000000"}
        elif first in {f"cn={name},cn=plugins,cn=config" for name in ON}:
            entry = entry.replace("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on")
        return "\n".join((entry, *(f"{name}: {value}" for name, value in more.items())))

    def _write_certificate(self) -> None:
        # The clock of the server is the real one, so its certificate must be of these days.
        issued = issue("127.0.0.1", "localhost", today=datetime.now(UTC))
        self.ca_file.write_bytes(authority().pem)
        bundle, folder = self.folder / "server.p12", f"sql:{self.folder}"
        bundle.write_bytes(
            serialize_key_and_certificates(b"Server-Cert", issued.key, issued.certificate, None, NoEncryption())
        )
        (self.folder / "no.password").write_text("\n")
        (self.folder / "pin.txt").write_text("Internal (Software) Token:\n")
        for words in (("certutil", "-N", "--empty-password"), ("pk12util", "-i", str(bundle), "-W", "", "-K", "")):
            subprocess.run([*words, "-d", folder], check=True, capture_output=True, timeout=PATIENCE_S)

    # --- its life

    def __enter__(self) -> "Ds389":
        self.start()
        self._lay_out()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [str(SERVER), "-D", str(self.folder), "-i", str(self.folder / "run" / "pid"), "-d", IN_THE_FOREGROUND]
        self._daemon.start(words, lambda: answers("127.0.0.1", self.tls_port))

    def stop(self) -> None:
        """Stop it; may be called twice."""
        self._daemon.stop()

    # --- its people

    def _lay_out(self) -> None:
        self.do("add", SUFFIX, attributes={"objectClass": ["top", "domain"], "dc": "example", "aci": list(ACCESS)})
        for dn in (
            *(f"cn=provisioning,{SUFFIX}", f"cn=accounts,cn=provisioning,{SUFFIX}", DELETED),
            *(f"cn=etc,{SUFFIX}", f"cn=sysaccounts,cn=etc,{SUFFIX}", POLICIES, ACCOUNTS, PEOPLE, GROUPS),
        ):
            self.do("add", dn, attributes={"objectClass": "nsContainer"})
        account = {"objectClass": ["account", "simpleSecurityObject"], "userPassword": READER_PASSWORD}
        self.do("add", READER_DN, attributes=account)

    def add(self, uid: str, *, ipa: bool = True, **attributes: object) -> str:
        """Add a person and give the DN.

        Args:
            ipa: Whether FreeIPA has given it a key of its own.
        """
        dn = f"uid={uid},{PEOPLE}"
        own: dict[str, object] = {"ipaUniqueID": str(uuid.uuid4())} if ipa else {}
        self.do("add", dn, attributes={**person(uid), **own, **attributes})
        return dn

    def add_group(self, name: str, *members: str) -> str:
        """Add a group, of people or groups, and give the DN."""
        dn = f"cn={name},{GROUPS}"
        classes = ["ipaUserGroup", "ipaObject"]
        key = str(uuid.uuid4())
        self.do("add", dn, attributes={"objectClass": classes, "cn": name, "member": list(members), "ipaUniqueID": key})
        return dn

    def add_policy(self, name: str, **rules: str) -> str:
        """Add a password policy that entries may name, and give the DN."""
        dn = f"cn={name},{POLICIES}"
        self.do("add", dn, attributes={"objectClass": ["ldapSubentry", "passwordPolicy"], **rules})
        return dn


def person(uid: str) -> Mapping[str, object]:
    """Give the attributes of a person as FreeIPA keeps them."""
    return {
        "objectClass": ["inetOrgPerson", "inetUser", "posixAccount", "krbPrincipalAux", "ipaObject"],
        "uid": uid,
        "cn": f"{uid.title()} Example",
        "sn": "Example",
        "givenName": uid.title(),
        "displayName": f"{uid.title()} Example",
        "mail": f"{uid}@example.com",
        "title": "Engineer",
        "ou": "Research",
        "telephoneNumber": "+1 425 555 0100",
        "mobile": "+1 425 555 0101",
        "uidNumber": "1000",
        "gidNumber": "1000",
        "homeDirectory": f"/home/{uid}",
        "krbPrincipalName": f"{uid}@EXAMPLE.COM",
    }


def _hashed(password: str) -> str:
    salt = os.urandom(8)
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(password.encode() + salt).digest() + salt).decode()
