"""`lyncpy check` compares the certificate's names with what clients ask for."""

import base64
import contextlib
import datetime
import errno
import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lyncpy.app import check
from lyncpy.app.check import authority_findings, findings
from lyncpy.app.cli import main
from lyncpy.app.config import load
from lyncpy.auth.ntlm import ServerNames, write_challenge
from lyncpy.backends.nats import probe
from tests.kit.certificates import issue


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the settings of a new server."""
    folder = tmp_path_factory.mktemp("home")
    assert main(["init", str(folder), "--set", "sip.domain=example.com"]) == 0
    return folder / "lyncpy.toml"


def said(home: Path, *overrides: str) -> dict[str, bool]:
    """Give what is found of the certificate's names, and whether it is good."""
    found = findings(load(home, overrides), datetime.datetime.now(datetime.UTC))
    return {one.sentence: one.good for one in found if "certificate: it is" in one.sentence}


def test_a_new_certificate_is_for_all_names_of_clients(home: Path) -> None:
    """Whichever ports there are."""
    web = said(home, "web.https_port=8443")
    assert all(web.values())
    assert [one.split()[5].rstrip(":") for one in web] == [
        "lyncdiscoverinternal.example.com",
        "lyncdiscover.example.com",
        "sipinternal.example.com",
    ]
    assert len(said(home)) == 1
    assert all(said(home, "sip.tls_port=443").values())


def test_a_name_that_it_is_not_for_is_told_with_whom_that_concerns(home: Path) -> None:
    """A fault where somebody fails by it; a remark where they go another way."""
    ((sentence, good),) = (
        one
        for one in said(home, "web.https_port=8443", "conferencing.meeting_url=https://meet.example.net").items()
        if "example.net" in one[0]
    )
    assert not good
    assert "it is not for meet.example.net: browsers" in sentence and "have it issued for this name too" in sentence
    elsewhere = said(home, "sip.domain=example.org", "sip.server_name=sip.example.com")
    assert elsewhere == {
        "[sip] certificate: it is not for sipinternal.example.org: clients that find no SRV record ask it at port 5061;"
        " the SRV records lead them to the server's own name": True
    }


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["sip.tls_port=4443"], "[web] https_port 4443: [sip] tls_port is the same"),
        (["admin.port=5060"], "[admin] port 5060: [sip] tcp_port is the same"),
        (["admin.port=5060", "admin.host=127.0.0.9"], ""),
    ],
)
def test_a_port_that_two_settings_name_is_told(home: Path, overrides: list[str], told: str) -> None:
    """Each is free before the start, and one of them is not at it; at addresses of their own both are."""
    found = findings(load(home, overrides), datetime.datetime.now(datetime.UTC))
    same = [one.sentence for one in found if "is the same" in one.sentence and not one.good]
    assert [one.startswith(told) for one in same] == ([True] if told else [])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["web.https_port=0", "admin.console=true"], "[admin] console: nobody reaches it here"),
        (["web.https_port=0", "conferencing.meeting_url=https://m.example.com"], "[conferencing] meeting_url: nobody"),
        (["web.icon=nothing.png"], "[web] icon: "),
        (["web.operators_port=4444", "web.operators_authority=nothing.pem"], "[web] operators_authority: "),
    ],
)
def test_what_the_site_lacks_is_told(home: Path, overrides: list[str], sentence: str) -> None:
    """With the setting, before somebody looks for it in vain."""
    found = findings(load(home, overrides), datetime.datetime.now(datetime.UTC))
    assert [one.good for one in found if one.sentence.startswith(sentence)] == [False]


def test_a_new_certificate_is_for_the_names_of_all_domains(tmp_path: Path) -> None:
    """One that was made before a domain came is not, and its clients are named."""
    domains = 'sip.domains=["example.org"]'
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com", "--set", domains]) == 0
    file = tmp_path / "lyncpy.toml"
    assert all(said(file, "web.https_port=8443").values())
    more = said(file, 'sip.domains=["example.net"]')
    assert {sentence.split()[6].rstrip(":"): good for sentence, good in more.items() if "not for" in sentence} == {
        "sip.example.net": False,
        "sipinternal.example.net": True,
    }


def test_each_directory_is_looked_at(tmp_path: Path) -> None:
    """A people file that is not there is named, whichever directory it is."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com"]) == 0
    file = tmp_path / "lyncpy.toml"
    file.write_text(file.read_text() + '\n[[directory]]\n[[directory]]\nname = "branch"\nurl = "branch.toml"\n')
    found = [
        one for one in findings(load(file), datetime.datetime.now(datetime.UTC)) if "[directory] url" in one.sentence
    ]
    assert [one.good for one in found] == [True, False]
    assert found[1].sentence.startswith('branch: the people file "')
    assert 'branch.toml" ([directory] url) cannot be read: No such file' in found[1].sentence


NO = "Authenticated: No\nAuthentication-Error: {}\n.\n.\n"
NOBODY = NO.format("The specified account does not exist.")


def domain(home: Path, answer: str, challenge: str = "", *overrides: str) -> dict[str, bool]:
    """Give what is found with a program that says this when it is asked, and that when it speaks NTLM itself."""
    script = home.parent / "helper.py"
    text = f"import sys\nsys.stdin.read()\nsys.stdout.write({challenge!r} if 'squid' in sys.argv[-1] else {answer!r})\n"
    script.write_text(text + ("sys.exit('it is broken')\n" if not answer else ""))
    return _of_domain(home, f"auth.ntlm_auth={json.dumps([sys.executable, str(script)])}", *overrides)


def _of_domain(home: Path, *overrides: str) -> dict[str, bool]:
    found = findings(load(home, overrides), datetime.datetime.now(datetime.UTC))
    return {one.sentence: one.good for one in found if "ntlm_auth" in one.sentence or "netbios" in one.sentence}


def test_a_domain_that_answers_and_its_names(home: Path) -> None:
    """Both names have to be those in the domain; it is said to what they are to be set."""
    challenge = f"TT {write_challenge(bytes(8), ServerNames('CORP', 'HOST7', 'corp.test', 'host7.corp.test'), None)}\n"
    found = domain(home, NOBODY, challenge, "auth.netbios_domain=corp")
    assert list(found.values()) == [True, True, False]
    assert 'set it to "HOST7"' in list(found)[2]
    assert all(domain(home, NOBODY, challenge, "auth.netbios_domain=corp", "auth.netbios_computer=HOST7").values())
    for strange in ("BH no\n", "TT !\n", "TT " + base64.b64encode(bytes(50)).decode(), ""):
        found = domain(home, NOBODY, strange)
        assert list(found.values()) == [True] * 3
        assert "does not say" in list(found)[1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NO.format("Reading winbind reply failed!"), "adduser lyncpy winbindd_priv"),
        (NO.format("No logon servers are currently available to service the logon request."), "wbinfo -P"),
        ("Error: what?\n.\n", "an answer that is none"),
        ("\n", "gives no answer"),
        ("", "it is broken"),
    ],
)
def test_a_domain_that_cannot_be_asked_is_told_with_what_to_do(home: Path, answer: str, words: str) -> None:
    """Once, with the setting."""
    ((sentence, good),) = domain(home, answer).items()
    assert sentence.startswith("[auth] ntlm_auth: ")
    assert (good, words in sentence) == (False, True)


def test_a_program_that_is_not_there_is_told(home: Path) -> None:
    """By its path."""
    ((sentence, good),) = _of_domain(home, "auth.ntlm_auth=/nowhere/ntlm_auth").items()
    assert (good, "/nowhere/ntlm_auth cannot be started: No such file" in sentence) == (False, True)


def bus_findings(home: Path, *overrides: str) -> list[tuple[bool, str]]:
    """Give what is found of the bus."""
    found = findings(load(home, overrides), datetime.datetime.now(datetime.UTC))
    return [(one.good, one.sentence) for one in found if one.sentence.startswith("[bus]")]


@pytest.mark.parametrize(
    ("said", "good", "words"),
    [
        (b'INFO {"version":"2.9.10"}\r\n+OK\r\nPONG\r\nPONG\r\n', True, "NATS 2.9.10 at 127.0.0.1:"),
        (b'INFO {"version":"2.9.10"}\r\n', False, "it has closed the connection"),
        (b"220 mail\r\n", False, "is no line of NATS; does nats-server run there?"),
        (b"PING\r\n", False, "does not answer in time"),
        (b"", False, "it says nothing"),
        (None, False, "does nats-server run there?"),
    ],
)
def test_the_servers_of_the_bus_are_heard(home: Path, said: bytes | None, good: bool, words: str) -> None:
    """Each says of itself that it is NATS, and takes this server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(said or b"")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        answering = threading.Thread(target=answer)
        if said is None:
            listening.close()
        else:
            answering.start()
        ((is_good, sentence),) = bus_findings(home, f"bus.url=nats://127.0.0.1:{port}")
        if said is not None:
            answering.join()
    assert (is_good, words in sentence) == (good, True), sentence
    assert bus_findings(home) == []


class Torn(socket.socket):
    """A connection whose end is always told as a reset: what still comes for one that was broken off is answered so."""

    def recv(self, *arguments: int) -> bytes:
        """Give what comes, until nothing does."""
        data = super().recv(*arguments)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return data

    @classmethod
    def to(cls, place: tuple[str, int], limit_s: float) -> "Torn":
        """Connect, as socket.create_connection does."""
        torn = cls()
        torn.settimeout(limit_s)
        torn.connect(place)
        return torn


@pytest.mark.parametrize("connect", [socket.create_connection, Torn.to])
def test_a_server_of_the_bus_that_never_ends_its_word_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, connect: Callable[[tuple[str, int], float], socket.socket]
) -> None:
    """However it trickles, and however the kernel tells the end."""
    monkeypatch.setattr(probe, "ANSWER_S", 0.3)
    monkeypatch.setattr(socket, "create_connection", connect)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"INFO ")
                while not leaving.wait(0.05):
                    connection.sendall(b" ")

        leaving = threading.Event()
        trickling = threading.Thread(target=trickle)
        trickling.start()
        ((good, sentence),) = bus_findings(home, f"bus.url=nats://127.0.0.1:{listening.getsockname()[1]}")
        leaving.set()
        trickling.join()
    assert (good, "it says nothing" in sentence) == (False, True)


def test_what_proves_us_to_the_bus_is_looked_at(home: Path) -> None:
    """Files that are not there, and a seed that is none; and TLS that a server does not offer."""
    first = "bus.url=nats://127.0.0.1?tls=first"
    (home.parent / "seed").write_text("SUAA")
    (home.parent / "ca").write_text("none")
    (home.parent / "latin1").write_bytes("gehört".encode("latin-1"))
    for overrides, words in (
        ((first, "bus.nkey_file=seed"), "bytes where 36 belong"),
        ((first, "bus.nkey_file=nowhere"), "nowhere ([bus] nkey_file) cannot be read: No such file"),
        (
            (first.replace("127", "u@127"), "bus.password_file=nowhere"),
            "nowhere ([bus] password_file) cannot be read: No such file",
        ),
        (
            (first.replace("127", "u@127"), "bus.password_file=latin1"),
            "latin1 ([bus] password_file) cannot be used: it is no text in UTF-8",
        ),
        ((first, "bus.ca_file=ca"), "has no certificate in PEM"),
    ):
        ((good, sentence),) = bus_findings(home, *overrides)
        assert (good, words in sentence) == (False, True), sentence


def test_what_cannot_be_looked_at_is_told_and_ends_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a folder is closed to this user."""

    def closed(*asked: object) -> bool:
        raise PermissionError(13, "Permission denied", "/srv/closed")

    monkeypatch.setattr(check, "read_credentials", closed)
    monkeypatch.setattr(check, "open_to_others", closed)
    found = [one.sentence for one in findings(load(home, []), datetime.datetime.now(datetime.UTC)) if not one.good]
    assert '[sip] certificate: "/srv/closed" cannot be looked at: Permission denied' in found
    assert 'the modes of files: "/srv/closed" cannot be looked at: Permission denied' in found


def test_an_authority_that_ends_is_told(home: Path) -> None:
    """That of this server, and one that it trusts; of a bundle the last counts."""
    config = load(home, ["directory.url=ldaps://localhost", "directory.ca_file=trusted.pem"])
    trusted = config.home / "trusted.pem"
    in_20_years = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=7300)
    old, new = issue("old", today=in_20_years, days=(-9000, 20)), issue("new", today=in_20_years, days=(-9000, 90))
    trusted.write_bytes(old.pem)
    found = [one.sentence for one in authority_findings(config, in_20_years)]
    assert "the private authority of `lyncpy init`: the last certificate" in found[0]
    assert "ended on" in found[0]
    assert "[directory] ca_file: the last certificate in" in found[1]
    assert "ends on" in found[1]
    trusted.write_bytes(old.pem + new.pem)
    assert len(list(authority_findings(config, in_20_years))) == 1
    trusted.write_text("no certificate")
    assert list(authority_findings(config, datetime.datetime.now(datetime.UTC))) == []


def test_without_the_driver_of_postgresql_all_else_is_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told once."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    overrides = ["store.url=postgresql://lyncpy@127.0.0.1/lyncpy", "directory.url=ldap://127.0.0.1:1"]
    found = [one for one in findings(load(home, overrides), datetime.datetime.now(datetime.UTC)) if not one.good]
    assert [one.stops for one in found if "[store] url" in one.sentence] == [True]
    assert "cannot be reached" in found[-1].sentence
