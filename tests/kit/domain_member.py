"""A computer that has joined the domain of a test: its own smb.conf, machine account and winbindd, beside the controller's."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.kit.daemon import PATIENCE_S, Daemon
from tests.kit.patience import pauses
from tests.kit.samba import ADMINISTRATOR_PASSWORD, DOMAIN, REALM, Samba, apart

NAME: Final = "MEMBER"
SERVICES: Final = "ldap, cldap, kdc, rpc, s3fs, winbindd"
"""What the controller has to offer to one who joins."""

NEEDED: Final = ("net", "winbindd", "wbinfo", "ntlm_auth", "smbd", "nsenter")


def missing() -> str:
    """Say what keeps this machine from being two computers of a domain; "" when nothing does."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return (
            f"no computer can join a domain here: {', '.join(lacking)} not installed (winbind samba samba-common-bin)"
        )
    ran = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False, timeout=20)
    return "" if ran.returncode == 0 else "this machine has one winbind, and nobody here may make a mount namespace"


class DomainMember:
    """Joins a controller's domain, and runs winbindd. Use as a context manager."""

    def __init__(self, folder: Path, samba: Samba) -> None:
        """Write its configuration.

        Args:
            folder: Where it keeps everything; it is made.
            samba: The controller, which runs, apart.
        """
        self._samba = samba
        self._folder = folder
        self._config = folder / "smb.conf"
        # In the foreground winbindd fails where it leads a session already.
        self._daemon = Daemon(self._folder / "said.log", leads=False)
        places = ("private", "lock", "state", "cache", "run", "log", "ncalrpc")
        for name in places:
            (folder / name).mkdir(parents=True)
        options = {
            "workgroup": DOMAIN,
            "realm": REALM,
            "security": "ads",
            "netbios name": NAME,
            "password server": samba.address,
            "interfaces": f"{samba.address}/8",
            "bind interfaces only": "yes",
            "name resolve order": "host",
            "idmap config * : backend": "tdb",
            "idmap config * : range": "10000-20000",
            "private dir": f"{folder}/private",
            "lock directory": f"{folder}/lock",
            "state directory": f"{folder}/state",
            "cache directory": f"{folder}/cache",
            "pid directory": f"{folder}/run",
            "ncalrpc dir": f"{folder}/ncalrpc",
            "log file": f"{folder}/log/log.%m",
        }
        self._config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n"
            f"[realms]\n{REALM} = {{\nkdc = {samba.address}\nkpasswd_server = {samba.address}\n}}\n"
        )

    @property
    def ntlm_auth(self) -> Sequence[str]:
        """The command that asks this computer's winbind."""
        program = shutil.which("ntlm_auth")
        assert program is not None
        return (*self._within(), program, f"--configfile={self._config}")

    def _within(self) -> Sequence[str]:
        return (shutil.which("nsenter") or "", f"--mount=/proc/{self._daemon.pid}/ns/mnt", "--")

    @property
    def _is_apart(self) -> bool:
        """Whether it has its own place for winbind's socket by now: before, everybody's would answer."""
        return os.readlink(f"/proc/{self._daemon.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "KRB5_CONFIG": str(self._folder / "krb5.conf")}

    def __enter__(self) -> "DomainMember":
        try:
            self._join()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self) -> None:
        # There is no DNS for the domain. Samba asks its own cache of names first.
        for name in ("DC1.AD.EXAMPLE.COM#20", "DC1#20"):
            self._net("cache", "add", f"NBT/{name}", f"{self._samba.address}:0", "3600")
        # The controller answers by LDAP before its other services do.
        account = f"--user=Administrator%{ADMINISTRATOR_PASSWORD}"
        trouble = "not tried"
        for _ in pauses(PATIENCE_S):
            if not (trouble := self._net("ads", "join", "-S", self._samba.address, "--no-dns-updates", account)):
                break
        assert not trouble, trouble
        self._daemon.start(
            apart(self._folder / "apart", ["winbindd", "--foreground", f"--configfile={self._config}"]),
            lambda: self._is_apart and not self._asked("wbinfo", "--ping-dc").returncode,
            environment=self._environment,
        )

    def stop(self) -> None:
        """Stop winbindd; may be called twice."""
        self._daemon.stop()

    def _net(self, *words: str) -> str:
        """Say what went wrong; "" for nothing."""
        ran = subprocess.run(
            ["net", *words, f"--configfile={self._config}"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return "" if ran.returncode == 0 else f"net {words[0]}: {ran.stdout}{ran.stderr}"

    def _asked(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self._within(), *words], capture_output=True, timeout=60, check=False)
