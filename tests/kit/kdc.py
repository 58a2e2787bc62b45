"""A real Kerberos KDC (MIT) of the test's own: unprivileged, on a port of 127.0.0.1, with a configuration of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.kit.daemon import PATIENCE_S, Daemon, answers
from tests.kit.ports import free_ports

REALM: Final = "EXAMPLE.TEST"
PROGRAMS: Final = ("krb5kdc", "kadmin.local", "kdb5_util", "kinit", "kvno")
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"


class KerberosCommandFailed(AssertionError):
    """A command of Kerberos did not do what it has to."""


def kerberos_lacks() -> str:
    """Say what a test with Kerberos lacks here, and how it gets there; "": nothing."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"no {', '.join(missing)} here: apt-get install krb5-kdc krb5-admin-server krb5-user"
    return "" if find_spec("gssapi") is not None else "the extra `kerberos` is not installed"


def require_kerberos() -> None:
    """Skip where Debian's krb5-kdc, krb5-admin-server and krb5-user are not installed; scripts/test installs them."""
    if lack := kerberos_lacks():
        pytest.skip(lack)


class Kdc:
    """A realm with its KDC; start it, and stop it at the end.

    Args:
        folder: Where it keeps everything; it is made.
        life: Of tickets, as MIT writes times.
    """

    def __init__(self, folder: Path, life: str = "10h") -> None:
        self._folder = folder
        self._daemon = Daemon(self._folder / "kdc.out")
        folder.mkdir(parents=True)
        (self.port,) = free_ports(1)
        self.conf: Final = folder / "krb5.conf"
        self.conf.write_text(
            f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 permitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{self.port}
 }}
[domain_realm]
 .example.test = {REALM}
 example.test = {REALM}
"""
        )
        (folder / "kdc.conf").write_text(
            f"""[kdcdefaults]
 kdc_listen = 127.0.0.1:{self.port}
 kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
 {REALM} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  max_life = {life}
  supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
 }}
[logging]
 kdc = FILE:{folder}/kdc.log
"""
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the environment in which programs find this realm, and no other."""
        return {
            **os.environ,
            "PATH": _PATH,
            "KRB5_CONFIG": str(self.conf),
            "KRB5_KDC_PROFILE": str(self._folder / "kdc.conf"),
            "KRB5RCACHEDIR": str(self._folder),
            "LC_ALL": "C.UTF-8",
        }

    def start(self) -> "Kdc":
        """Make the realm, and wait until its KDC answers."""
        if not (self._folder / "principal").exists():
            self.run("kdb5_util", "create", "-s", "-P", "master of the realm", "-r", REALM)
        self._daemon.start(
            ["krb5kdc", "-n", "-r", REALM], lambda: answers("127.0.0.1", self.port), environment=self.environment
        )
        return self

    def stop(self) -> None:
        """End the KDC; its realm stays."""
        self._daemon.stop()

    def run(self, *words: str, typed: str = "", **environment: str) -> str:
        """Run a program in this realm; give what it said."""
        done = subprocess.run(
            words,
            env={**self.environment, **environment},
            input=typed,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S * 2,
            check=False,
        )
        if done.returncode:
            raise KerberosCommandFailed(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def admin(self, words: str) -> str:
        """Run one command of kadmin."""
        return self.run("kadmin.local", "-r", REALM, "-q", words)

    def add_user(self, name: str, password: str) -> None:
        """Add somebody with a password."""
        self.admin(f'addprinc -pw "{password}" {name}')

    def add_users(self, names: Iterable[str], password: str) -> None:
        """Add many, who all have the same password."""
        typed = "".join(f'addprinc -pw "{password}" {name}\n' for name in names)
        self.run("kadmin.local", "-r", REALM, typed=typed)

    def add_service(self, name: str, keytab: Path) -> Path:
        """Add a service, as `sip/fe1.example.test`, and write its keys to a keytab beside those that are there."""
        self.admin(f"addprinc -randkey {name}")
        return self.write_keys(name, keytab)

    def write_keys(self, name: str, keytab: Path) -> Path:
        """Give a service new keys, of the next version, and write them to a keytab."""
        self.admin(f"ktadd -k {keytab} {name}")
        keytab.chmod(0o600)
        return keytab

    def sign_in(self, name: str, password: str, *words: str) -> str:
        """Get a ticket for tickets, in a new cache; give the cache's name, for KRB5CCNAME."""
        cache = f"FILE:{self._folder}/cache-{name.replace('/', '-')}-{time.monotonic_ns()}"
        self.run("kinit", *words, f"{name}@{REALM}", typed=f"{password}\n", KRB5CCNAME=cache)
        return cache
