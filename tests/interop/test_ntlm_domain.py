"""NTLM with passwords that only an Active Directory knows: pidgin-sipe, Samba's ntlm_auth and winbind, a domain controller."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lyncpy.app.check import findings
from lyncpy.app.config import load
from tests.interop.conftest import PLUGIN, MakeSamba
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.samba import DISABLED, ENABLED, SUFFIX, Samba, missing, reading
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

PASSWORD = "Nur-1m-Verzeichnis!"
STAFF = f"OU=Staff,{SUFFIX}"

MakeClient = Callable[..., PurpleClient]


@pytest.fixture(scope="module")
def samba(make_samba: MakeSamba) -> Iterator[Samba]:
    """One domain with winbind, whose socket there is only one of on a computer."""
    lacking = [name for name in ("winbindd", "ntlm_auth", "wbinfo") if shutil.which(name) is None]
    if reason := missing() or (f"{', '.join(lacking)} not installed (winbind)" if lacking else ""):
        pytest.skip(reason)
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    with make_samba("ldap, rpc, winbindd") as running:
        running.modify(
            SUFFIX, lockoutThreshold="3", lockoutDuration="-18000000000", lockOutObservationWindow="-18000000000"
        )
        wait_until(winbind_answers, "winbind answers")
        yield running


def winbind_answers() -> bool:
    """Tell whether winbindd runs."""
    return subprocess.run(["wbinfo", "-p"], capture_output=True, timeout=20, check=False).returncode == 0


@pytest.fixture(scope="module")
def running(samba: Samba, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server whose people are that domain's; with it end the programs that it has started."""
    folder = tmp_path_factory.mktemp("server")
    (port,) = free_ports(1)
    site = {"web__https_host": "127.0.0.1", "web__https_port": port, "sip__server_name": "localhost"}
    server = RunningServer(folder / "home", **site).init()
    program = [shutil.which("ntlm_auth"), f"--configfile={samba.folder}/etc/smb.conf"]
    where = reading(samba, ca_file=str(samba.ca_file), bind_password_file=str(samba.password_file), bases=[STAFF])
    names = {"ntlm_auth": program, "netbios_domain": "EXAMPLE", "netbios_computer": "DC1"}
    server.write_settings("directory", **where)
    server.write_settings("auth", **names)
    try:
        yield server.start()
        started = helpers(samba)
        assert started
        server.stop()
        assert not helpers(samba)
    finally:
        server.close()


def helpers(samba: Samba) -> list[int]:
    """Give the processes of ntlm_auth that ask this domain."""
    words = ["pgrep", "-f", f"ntlm_auth --configfile={samba.folder}"]
    return [int(one) for one in subprocess.run(words, capture_output=True, check=False, timeout=20).stdout.split()]


@pytest.fixture
def client(running: RunningServer, samba: Samba, tmp_path: Path) -> Iterator[MakeClient]:
    """Make clients of people, whom the domain has with one password."""
    made: list[PurpleClient] = []

    def make(uid: str, password: str = PASSWORD, login: str = "") -> PurpleClient:
        made.append(
            PurpleClient(
                f"{uid}@example.test",
                password,
                login=login or uid,
                server=f"localhost:{running.tls_port}",
                names={"localhost": "127.0.0.1"},
                folder=tmp_path / f"{uid}-{len(made)}",
                ca=running.ca,
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.leave()
        one.close()


def hired(samba: Samba, running: RunningServer, *uids: str) -> list[str]:
    """Add people, and give their DNs."""
    found = [
        samba.add(
            uid,
            password=PASSWORD,
            userAccountControl=str(ENABLED),
            msRTCSIP_PrimaryUserAddress=f"sip:{uid}@example.test",
        )
        for uid in uids
    ]
    running.ssh("directory pull")
    return found


def refused(client: PurpleClient) -> str:
    """Give the words with which somebody is not let in."""
    with pytest.raises(ConnectionRefusedByServer) as caught:
        client.login()
    return caught.value.text


def test_people_sign_in_with_the_password_of_the_domain(
    running: RunningServer, samba: Samba, client: MakeClient
) -> None:
    """Under each of their names, and for a certificate; every message is signed both ways, or the client would hang up; the password is nowhere."""
    hired(samba, running, "frank", "grace", "heidi", "nora")
    frank, grace = client("frank", login="EXAMPLE\\frank"), client("grace")
    heidi = client("heidi", login="heidi@ad.example.com")
    for one in (frank, grace, heidi):
        one.login()
    client("nora").login(auth="tls-dsk")
    assert "nora@example.test got certificate" in running.log()
    frank.send_im(grace.address, "with keys that the domain gave")
    grace.wait_for("im", text="with keys that the domain gave")
    assert PASSWORD not in running.log()
    assert helpers(samba)


@pytest.mark.parametrize(
    ("change", "words", "reason"),
    [
        ({"userAccountControl": str(DISABLED)}, "User disabled", "disabled"),
        ({"accountExpires": "10"}, "account has expired", "expired"),
        ({"pwdLastSet": "0"}, "password must be changed", "must change password"),
    ],
)
def test_what_the_domain_says_of_an_account_is_told(
    running: RunningServer, samba: Samba, client: MakeClient, change: dict[str, str], words: str, reason: str
) -> None:
    """In words, before the next pull has heard of it."""
    uid = f"x{reason[:4]}"
    (dn,) = hired(samba, running, uid)
    samba.modify(dn, **change)
    assert words in refused(client(uid))
    assert f"{uid}: {reason}" in running.ssh(f"why {uid}@example.test").replace("'", "")


def test_wrong_passwords_are_refused_and_lock_the_account(
    running: RunningServer, samba: Samba, client: MakeClient
) -> None:
    """As often as the domain's policy allows; then the right one is told so too, here and not before."""
    hired(samba, running, "ivan")
    for _ in range(3):
        assert "Authentication failed" in refused(client("ivan", "wrong"))
    assert "wrong password" in running.ssh("why ivan@example.test")
    assert "locked" in refused(client("ivan"))


def test_an_account_with_the_address_of_somebody_else_is_nobody(
    running: RunningServer, samba: Samba, client: MakeClient
) -> None:
    """Mallory's userPrincipalName is Kim's address, and her password opens nothing of Kim's."""
    hired(samba, running, "kim")
    samba.add("mallory", plain=True, password="Mall0ry-Secret!", userPrincipalName="kim@example.test")
    assert "Authentication failed" in refused(client("kim", "Mall0ry-Secret!", login="kim@example.test"))
    assert "none of the logins" in running.ssh("why kim@example.test")
    client("kim").login()


def test_a_program_that_dies_and_a_winbind_that_is_away_are_got_over(
    running: RunningServer, samba: Samba, client: MakeClient
) -> None:
    """Another program is started; while nobody can be asked that is told, and it is no wrong password."""
    hired(samba, running, "leo")
    client("leo").login()
    for process in helpers(samba):
        os.kill(process, signal.SIGKILL)
    client("leo").login()
    samba.stop()
    try:
        assert "directory cannot be asked" in refused(client("leo"))
        assert "winbindd has to run" in running.ssh("why leo@example.test")
    finally:
        samba.start()
        wait_until(winbind_answers, "winbind answers")
    client("leo").login()


def test_check_asks_winbind_and_compares_the_names(running: RunningServer, samba: Samba) -> None:
    """Those in the challenge have to be those of the computer in the domain."""
    found = list(findings(load(running.home / "lyncpy.toml"), datetime.now(UTC)))
    good = {one.sentence for one in found if "ntlm_auth" in one.sentence or "netbios" in one.sentence if one.good}
    assert len(good) == 3
    other = load(running.home / "lyncpy.toml", ["auth.netbios_computer=FE1"])
    assert [one.sentence for one in findings(other, datetime.now(UTC)) if 'set it to "DC1"' in one.sentence]
