"""`lyncpy doctor`: what was asked and what came back."""

import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lyncpy.app import directory_doctor
from lyncpy.app.cli import main
from lyncpy.app.config import load
from lyncpy.contracts.finding import Finding
from lyncpy.wire.certificate import read_credentials
from tests.kit import forks
from tests.kit.certificates import issue, put
from tests.kit.ports import free_ports


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the settings of a new server with demo people, whom a database knows."""
    folder = tmp_path_factory.mktemp("home")
    tls, https = free_ports(2)
    settings = ["--set", "sip.domain=example.test", "--set", f"sip.tls_port={tls}", "--set", f"web.https_port={https}"]
    # In a process of its own: passwords are kept by way of the reactor, which begins once.
    assert forks.run(["init", str(folder), "--demo", *settings], "", timeout=60).returncode == 0
    return folder / "lyncpy.toml"


def told(capsys: pytest.CaptureFixture[str], what: str, file: Path, *more: str, status: int = 0) -> str:
    """Ask a doctor; give what it says."""
    if what == "user":
        # In a process of its own: the database is read by way of the reactor, which begins once.
        done = forks.run(["doctor", what, str(file), *more], "", timeout=60)
        assert done.returncode == status, done.stdout
        return done.stdout
    assert main(["doctor", what, str(file), *more]) == status
    return capsys.readouterr().out


def test_a_person_is_shown_as_a_sign_in_sees_them(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or that nobody is called so, or why they are left out."""
    said = told(capsys, "user", file, "alice@example.test")
    assert "people.toml: alice@example.test is " in said and "name: Alice Adler" in said
    assert "they may sign in" in said
    # The server has not run yet, whose first pull makes a person of an entry.
    assert "the last pull brought nobody of the address or login alice@example.test" in said
    assert "nobody is zoe@example.test: add them" in told(capsys, "user", file, "zoe@example.test", status=1)
    people = file.parent / "people.toml"
    before = people.read_text()
    people.write_text(f'{before}\n[zoe]\ntitle = "none"\n[off]\naddress = "off@example.test"\nenabled = false\n')
    assert "[zoe] is left out: it has no address" in told(capsys, "user", file, "zoe", status=1)
    assert "they may not sign in: off@example.test is switched off" in told(capsys, "user", file, "off", status=1)
    people.unlink()
    said = told(capsys, "user", file, "zoe", status=1)
    assert "cannot be read: No such file" in said and "nobody is zoe" not in said
    people.write_text(before)


def test_the_store_is_read_to_its_end(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what is in it, and where its copies are."""
    said = told(capsys, "store", file)
    assert "no server of this machine works with it" in said and "there is no copy beside it" in said
    assert "all of it can be read" in said and 'records of the kind "secret": 6' in said
    assert "rows of archive: 0" in said
    assert "is made by the first start" in told(capsys, "store", file, "--set", "store.url=sqlite:///new.db")
    (file.parent / "bad.db").write_bytes(b"x" * 9000)
    assert "it is damaged" in told(capsys, "store", file, "--set", "store.url=sqlite:///bad.db", status=1)


def test_the_clock_is_compared_with_what_was_noted(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ran later than now has had a clock that was ahead, or this one is behind."""
    monkeypatch.setattr("lyncpy.app.clock_doctor.kernel_state", lambda: 0)
    said = told(capsys, "clock", file)
    assert " UTC; its zone is " in said and "(NTP)" in said and "nothing to compare it with" in said
    with closing(sqlite3.connect(file.parent / "lyncpy.db")) as connection, connection:
        connection.execute(
            "insert into records (kind, key, version, value) values ('clock', 'seen', 1, ?)", (b"1700000000",)
        )
    assert "not before the time at which this server ran last, 2023-11-14" in told(capsys, "clock", file)
    with closing(sqlite3.connect(file.parent / "lyncpy.db")) as connection, connection:
        connection.execute("update records set value = ? where kind = 'clock'", (b"9999999999",))
    said = told(capsys, "clock", file, status=1)
    assert "the clock of this machine is behind: a server of this database ran at 2286-11-20" in said
    monkeypatch.setattr("lyncpy.app.clock_doctor.kernel_state", lambda: 5)
    assert "no program keeps this clock right" in told(capsys, "clock", file, status=1)
    with closing(sqlite3.connect(file.parent / "lyncpy.db")) as connection, connection:
        connection.execute("delete from records where kind = 'clock'")


def test_certificates_are_shown_with_all_that_is_in_them(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens here; that is told as well."""
    said = told(capsys, "certificate", file, status=1)
    assert "CN=sip.example.test, issued by CN=lyncpy private authority" in said
    assert "RSA, 2048 bits" in said and "ECDSA, 256 bits" in said and "SHA-256 " in said
    assert said.count("nobody shows a certificate at 127.0.0.1:") == 2
    (file.parent / "none.pem").write_text("none")
    said = told(capsys, "certificate", file, "--set", "sip.certificate=none.pem", status=1)
    assert said.startswith("BAD [sip] certificate: ") and "no certificate in PEM" in said


def test_a_certificate_that_has_names_alone_is_said_to(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Authorities that are asked by ACME often leave the subject empty."""
    put(tmp_path, issue("sip.example.test", subject="", today=datetime.now(UTC)))
    files = [f"sip.certificate={tmp_path}/server.pem", f"sip.private_key={tmp_path}/server.key"]
    said = told(capsys, "certificate", file, "--set", files[0], "--set", files[1], status=1)
    assert said.startswith(f"ok  {tmp_path}/server.pem: no subject, issued by CN=Test Authority, ECDSA, 256 bits, ")


def test_without_an_ldap_server_there_is_none_to_ask(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose name leads nowhere, or that does not answer, is told with its sentence."""
    assert "there is no LDAP server to ask" in told(capsys, "ldap", file)
    said = told(capsys, "ldap", file, "--set", "directory.url=ldap://127.0.0.1:1", status=1)
    assert "127.0.0.1 is 127.0.0.1" in said and "ldap://127.0.0.1:1 cannot be reached" in said
    said = told(capsys, "ldap", file, "--set", "directory.url=ldaps://no.such.invalid", status=1)
    assert "no.such.invalid has no address here" in said
    said = told(capsys, "user", file, "zoe", "--set", "directory.url=ldap://127.0.0.1:1", status=1)
    # They may be there.
    assert "cannot be reached" in said and "nobody is zoe" not in said


def test_the_records_of_dns_are_those_of_the_other_word(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `lyncpy dns`."""
    assert main(["doctor", "dns", str(file), "--print", "--address", "192.0.2.1"]) == 0
    assert "sip.example.test. 3600 IN A 192.0.2.1" in capsys.readouterr().out


def test_where_the_files_are_of_no_use_the_ports_say_what_they_show(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the server that runs has read others: then it matters most."""
    config = load(file, [])
    sip = config.sections.sip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Of the two kinds of keys the first is as good as the second.
    made = read_credentials(sip, config.home, datetime.now(UTC))
    pem = file.parent / "shown.pem"
    pem.write_bytes(
        made.certificate.public_bytes(Encoding.PEM)
        + made.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", sip.tls_port)) as server:

        def serve() -> None:
            plain, _ = server.accept()
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(1)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        said = told(capsys, "certificate", file, "--set", "sip.certificate=none.pem", status=1)
        serving.join(10)
    pem.unlink()
    assert said.startswith("BAD [sip] certificate: ")
    assert f"what listens at 127.0.0.1:{sip.tls_port} shows CN=sip.example.test, issued by" in said


def test_what_an_ldap_server_says_is_told_as_it_says_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent for long keeps nothing back that was found before."""
    asked: list[str] = []

    def slow(*terms: object, **more: object) -> Iterator[Finding]:
        asked.append("server")
        yield Finding(good=True, sentence="it answers")

    monkeypatch.setattr(directory_doctor, "ldap_findings", slow)
    story = directory_doctor.ldap_story(load(file, ["directory.url=ldap://127.0.0.1:1"]), datetime.now(UTC))
    assert "127.0.0.1 is 127.0.0.1" in next(story).sentence
    assert asked == []
    assert [one.sentence for one in story] == ["it answers"]
