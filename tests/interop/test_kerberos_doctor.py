"""`lyncpy doctor kerberos` on set-ups that are broken in one way each, with a real KDC: it names what is wrong, and the remedy."""

import datetime
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lyncpy.app.check import findings
from lyncpy.app.cli import main
from lyncpy.app.config import load
from lyncpy.app.kerberos_doctor import SystemNames, kerberos_findings
from lyncpy.core.timers import host_clock
from tests.kit.kdc import Kdc, require_kerberos
from tests.unit.backends.test_keytab import entry

pytestmark = pytest.mark.interop

HOST = "fe1.example.test"
SPN = f"sip/{HOST}"


class Names:
    """What DNS says, as a test wants it."""

    def __init__(self, canonical: str = HOST, back: str | None = HOST) -> None:
        self.canonical, self.back = canonical, back

    def addresses(self, host: str) -> tuple[str, Sequence[str]]:
        """Give one address, twice as resolvers do."""
        if not self.canonical:
            raise socket.gaierror(-2, "Name or service not known")
        return self.canonical, ["192.0.2.1", "192.0.2.1"]

    def name_of(self, address: str) -> str:
        """Give its name."""
        if self.back is None:
            raise socket.gaierror(-2, "Name or service not known")
        return self.back


@pytest.fixture
def kdc(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kdc]:
    """Give a realm, which this process is in, without tickets."""
    require_kerberos()
    kdc = Kdc(tmp_path_factory.mktemp("kerberos") / "kdc").start()
    for name in ("KRB5_CONFIG", "KRB5RCACHEDIR", "PATH"):
        monkeypatch.setenv(name, kdc.environment[name])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{kdc.conf.parent}/nothing")
    try:
        yield kdc
    finally:
        kdc.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the settings of a new server."""
    words = ("sip.domain=example.test", f"sip.server_name={HOST}", "auth.keytab=krb5.keytab", "web.https_port=0")
    assert main(["init", str(tmp_path / "home"), *(word for one in words for word in ("--set", one))]) == 0
    return tmp_path / "home" / "lyncpy.toml"


@pytest.fixture
def keytab(kdc: Kdc, home: Path) -> Path:
    """Give the server's keytab, as it should be."""
    return kdc.add_service(SPN, home.parent / "krb5.keytab")


def wrong(home: Path, names: Names | None = None, *overrides: str) -> list[str]:
    """Give what is wrong."""
    found = list(kerberos_findings(load(home, overrides), names or Names()))
    assert found
    return [one.sentence for one in found if not one.good]


def test_nothing_is_wrong_where_all_is_right(kdc: Kdc, home: Path, keytab: Path) -> None:
    """The KDC was asked, and its ticket verified as the server does."""
    found = list(kerberos_findings(load(home), Names()))
    assert all(one.good for one in found)
    assert "with key version 2, aes256-cts-hmac-sha1-96, and the keytab opens it" in found[-1].sentence
    assert not wrong(home, Names(back=None))
    # Whoever looks may do so again, at once.
    assert not wrong(home)


def test_without_a_keytab_there_is_no_kerberos(home: Path) -> None:
    """Not named, not there, not ours alone, not a keytab: each has its remedy."""
    require_kerberos()
    file = home.parent / "krb5.keytab"
    (said,) = wrong(home, None, "auth.keytab=")
    assert "is empty" in said
    (said,) = wrong(home)
    assert "is missing: write one" in said
    file.write_bytes(b"?")
    file.chmod(0o644)
    (said,) = wrong(home)
    assert f'chmod 600 "{file}"' in said
    file.chmod(0o600)
    (said,) = wrong(home)
    assert "write it anew" in said


def test_a_keytab_for_another_name_is_told(kdc: Kdc, home: Path) -> None:
    """And which name clients ask for."""
    kdc.add_service("sip/old.example.test", home.parent / "krb5.keytab")
    (said,) = wrong(home)
    assert f"ask for tickets for {SPN}, and it has keys for sip/old.example.test@EXAMPLE.TEST" in said


def test_keys_for_the_web_services_are_missed(kdc: Kdc, home: Path, keytab: Path) -> None:
    """Without them people sign in over SIP, and there with a password."""
    (said,) = wrong(home, None, "web.https_port=8443")
    assert "for http/fe1.example.test, and it has keys for sip/fe1" in said
    kdc.add_service(f"HTTP/{HOST}", keytab)
    assert not wrong(home, None, "web.https_port=8443")


def test_keys_that_the_kdc_has_changed_are_told(
    kdc: Kdc, home: Path, keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the keytab alone, with preauthentication and without, and with somebody's own ticket, which shows both versions."""
    kdc.write_keys(SPN, home.parent / "elsewhere.keytab")
    (said,) = wrong(home)
    assert "changed after the keytab was written" in said
    kdc.admin(f"modprinc +requires_preauth {SPN}")
    assert wrong(home) == [said]
    kdc.admin(f"modprinc -requires_preauth {SPN}")
    kdc.add_user("alice", "pw")
    monkeypatch.setenv("KRB5CCNAME", kdc.sign_in("alice", "pw"))
    (said,) = wrong(home)
    assert "wrong key version" in said
    assert "has key version 3, aes256-cts-hmac-sha1-96; the keytab has 2 aes" in said


def test_a_service_that_the_kdc_does_not_know_is_told(
    kdc: Kdc, home: Path, keytab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To somebody with a ticket exactly; without one it says how to get there."""
    kdc.admin(f"delprinc -force {SPN}")
    (said,) = wrong(home)
    assert "Run kinit as anybody" in said
    kdc.add_user("alice", "pw")
    monkeypatch.setenv("KRB5CCNAME", kdc.sign_in("alice", "pw"))
    (said,) = wrong(home)
    assert f"setspn -S {SPN} ACCOUNT" in said


def test_a_disabled_account_and_a_silent_kdc_are_told(kdc: Kdc, home: Path, keytab: Path) -> None:
    """Each for itself."""
    kdc.admin(f"modprinc -allow_tix {SPN}")
    (said,) = wrong(home)
    assert "enable that account" in said
    kdc.stop()
    (said,) = wrong(home)
    assert "no KDC of the realm" in said
    kdc.conf.write_text("[libdefaults]\n dns_lookup_kdc = false\n")
    (said,) = wrong(home)
    assert "name one in /etc/krb5.conf" in said


def test_a_wrong_clock_is_told(kdc: Kdc, home: Path, keytab: Path) -> None:
    """Of this machine, in both directions."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("apt-get install faketime, as scripts/test does")
    for offset in ("+1h", "-1h"):
        words = [faketime, "-f", offset, sys.executable, "-m", "lyncpy.app.cli", "doctor", "kerberos", str(home)]
        done = subprocess.run(
            words, env=kdc.environment, capture_output=True, encoding="utf-8", timeout=60, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert "follow the same time server" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (Names(canonical="web7.example.test"), "is an alias of web7.example.test"),
        (Names(back="web7.example.test."), "whose name is web7.example.test"),
        (Names(canonical=""), "publish it in DNS"),
    ],
)
def test_names_that_lead_elsewhere_are_told(kdc: Kdc, home: Path, keytab: Path, names: Names, words: str) -> None:
    """Clients of MIT Kerberos ask for the service under the name that DNS leads to."""
    (said,) = wrong(home, names)
    assert words in said
    if names.canonical:
        kdc.add_service("sip/web7.example.test", keytab)
        assert not wrong(home, names)


@pytest.mark.parametrize("host", ["fe1", "192.0.2.1"])
def test_a_name_that_is_no_host_name_is_told(kdc: Kdc, home: Path, keytab: Path, host: str) -> None:
    """The KDC knows services by full names."""
    assert any("is no full host name" in one for one in wrong(home, None, f"auth.target_name={host}"))


def test_weak_keys_are_told(kdc: Kdc, home: Path) -> None:
    """Today's libraries refuse them."""
    file = home.parent / "krb5.keytab"
    rc4 = entry("sip", HOST).replace(b"\x00\x12\x00\x20", b"\x00\x17\x00\x20")
    file.write_bytes(b"\x05\x02" + rc4)
    file.chmod(0o600)
    assert "arcfour-hmac; Kerberos libraries refuse these: allow AES" in wrong(home)[0]


def test_a_missing_library_is_told_by_check_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install; the keytab is looked at all the same."""
    monkeypatch.setitem(sys.modules, "gssapi", None)
    file = home.parent / "krb5.keytab"
    file.write_bytes(b"\x05\x02" + entry("sip", HOST))
    file.chmod(0o600)
    (said,) = wrong(home)
    assert "pip install 'lyncpy[kerberos]'" in said

    now = datetime.datetime.fromtimestamp(host_clock(), datetime.UTC)
    checked = {one.sentence: one.good for one in findings(load(home), now)}
    assert checked[said] is False
    assert checked[f"[auth] keytab: it has keys for {SPN}"] is True


def test_the_command_prints_all_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its status says whether anything is wrong."""
    assert main(["doctor", "kerberos", str(home), "--set", "auth.keytab="]) == 1
    assert capsys.readouterr().out.startswith("BAD [auth] keytab is empty")


def test_the_system_is_asked_for_names() -> None:
    """As the libraries ask it."""
    names = SystemNames()
    canonical, addresses = names.addresses("localhost")
    assert canonical
    assert "127.0.0.1" in addresses
    assert names.name_of("127.0.0.1")
