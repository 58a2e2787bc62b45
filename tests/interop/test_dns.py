"""`lyncpy dns` prints the records that clients need, and asks a DNS server which of them are there."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lyncpy.app.cli import main
from tests.kit import forks
from tests.kit.names_server import NamesServer

pytestmark = pytest.mark.interop

SERVER = "sip.example.com"
SRV = f"SRV 0 0 5061 {SERVER}"
RIGHT: dict[str, Sequence[str]] = {
    SERVER: ["A 192.0.2.10"],
    "_sipinternaltls._tcp.example.com": [SRV],
    "_sip._tls.example.com": [SRV],
    "sipinternal.example.com": [f"CNAME {SERVER}"],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the settings of a new server."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com"]) == 0
    return tmp_path / "lyncpy.toml"


def asked(
    home: Path, names: NamesServer, *more: str, command: Sequence[str] = ("dns",)
) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    words = [*command, str(home), "--address", "192.0.2.10", "--resolver", names.address, *more]
    return forks.run(words, timeout=60)


def test_a_zone_in_which_all_is_there_is_right(home: Path) -> None:
    """Each record is printed as it stands in a zone file, with what was found; the status is 0."""
    with NamesServer(RIGHT) as names:
        done = asked(home, names)
    assert (done.returncode, done.stderr) == (0, "")
    found = [line for line in done.stdout.splitlines() if not line.startswith(";")]
    assert len(found) == 4 and all(line.endswith(": there") for line in found)
    assert found[1].startswith(f"_sipinternaltls._tcp.example.com. 3600 IN SRV 0 0 5061 {SERVER}.  ; ")


def test_what_is_missing_or_wrong_is_said_beside_its_record(home: Path) -> None:
    """And the status is 1."""
    wrong = {
        **RIGHT,
        "_sip._tls.example.com": ["SRV 0 0 443 old.example.com"],
        "sipinternal.example.com": ["A 192.0.2.77"],
    }
    del wrong["_sipinternaltls._tcp.example.com"]
    with NamesServer(wrong) as names:
        done = asked(home, names)
    assert done.returncode == 1
    told = [
        line.rpartition(": ")[2] if "wrong" not in line else line.partition("wrong: ")[2]
        for line in done.stdout.splitlines()
        if not line.startswith(";")
    ]
    assert told == ["there", "missing", "it is 0 0 443 old.example.com", "it leads to 192.0.2.77"]


def test_no_loopback_address_is_written_into_a_zone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server behind a relay listens there; clients reach the relay, whose address has to be said."""
    assert main(["dns", str(home), "--print", "--set", "sip.tls_host=127.0.0.1"]) == 0
    said = capsys.readouterr().out
    assert "127.0.0.1" not in said
    assert "; the address of this server is not known: give it with --address\n" in said


def test_a_service_that_is_said_not_to_be_there_is_told(home: Path) -> None:
    """By a target of "." (RFC 2782), as where somebody else has the domain's clients; the status is 1."""
    with NamesServer({**RIGHT, "_sip._tls.example.com": ["SRV 0 0 0 ."]}) as names:
        done = asked(home, names)
    assert (done.returncode, done.stderr) == (1, "")
    (told,) = [line for line in done.stdout.splitlines() if "wrong" in line]
    assert told.startswith("_sip._tls.example.com. ") and "the domain says that it has no such service" in told
    assert done.stdout.count(": there") == 3


def test_a_dns_server_that_is_silent_is_told_and_the_records_are_printed(home: Path) -> None:
    """Within seconds; whoever only wants the records asks nobody."""
    with NamesServer({}, silent=True) as names:
        done = asked(home, names)
        assert done.returncode == 1
        assert "no DNS server answers" in done.stderr and done.stderr.count("\n") == 1
        assert done.stdout.count(" IN ") == 4
        printed = asked(home, names, "--print")
    assert (printed.returncode, names.asked) == (0, [])
    assert printed.stdout.count(" IN ") == 4


@pytest.mark.parametrize("words", [["--address", "here"], ["--resolver", "host:x"], ["--resolver", "ns.example.com"]])
def test_what_is_no_address_is_refused(home: Path, words: list[str]) -> None:
    """In words."""
    done = forks.run(["dns", str(home), *words], timeout=60)
    assert done.returncode == 2
    assert "is no" in done.stderr


def test_a_pool_has_several_targets(home: Path) -> None:
    """Each server's own name under each service; what is missing of another server's is told, and its address too."""
    servers = ("fe1.example.com", "fe2.example.com", "fe3.example.com")
    services = [f"SRV 0 0 5061 {server}" for server in servers]
    zone = {
        **RIGHT,
        "_sipinternaltls._tcp.example.com": services,
        "_sip._tls.example.com": services[:2],
        "fe1.example.com": ["A 192.0.2.10"],
        "fe2.example.com": ["A 192.0.2.11"],
    }
    pool = ["--set", "pool.name=fe1.example.com", "--set", f"pool.servers={json.dumps(servers)}"]
    with NamesServer(zone) as names:
        done = asked(home, names, *pool)
    assert (done.returncode, done.stderr) == (1, "")
    told = [line.partition(";")[2].rpartition(": ")[2] for line in done.stdout.splitlines()]
    beside = ", ".join(f"0 0 5061 {server}" for server in servers[:2])
    assert told[1:] == [*["there"] * 6, f"missing beside {beside}", "there", "there", "192.0.2.11", "missing"]


def test_the_doctor_shows_what_comes_back_to_all_that_clients_ask(home: Path) -> None:
    """Of each domain; what leads them to another server is told, though nobody needs it."""
    zone = {
        **RIGHT,
        "lyncdiscover.example.com": ["CNAME webdir.online.lync.com"],
        "webdir.online.lync.com": ["A 192.0.2.99"],
        "_sipinternal._tcp.example.com": ["SRV 0 0 5060 old.example.com"],
        "sip.example.com": ["A 192.0.2.10"],
    }
    with NamesServer(zone) as names:
        done = asked(home, names, command=("doctor", "dns"))
    assert (done.returncode, done.stderr) == (1, "")
    assert len([line for line in done.stdout.splitlines() if line.startswith(("; SRV", "; A and"))]) == 9
    assert "; A and AAAA lyncdiscoverinternal.example.com (Lync 2010 and later, over HTTPS): nothing\n" in done.stdout
    assert "; SRV _sip._tls.example.com (clients outside, over TLS): 0 0 5061 sip.example.com\n" in done.stdout
    assert "192.0.2.99: that is another server: remove it, or correct it" in done.stdout
    assert "0 0 5060 old.example.com: nothing of this server listens there: remove it, or correct it" in done.stdout
    assert done.stdout.count("correct it") == 2
