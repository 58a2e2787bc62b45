"""An operator sees each certificate: whose it is, how long it lasts, who has signed it, and where it comes from."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from twisted.internet.task import Clock

from lyncpy.app.certificates_command import SHOWN_OF_BUNDLE, CertificatesCommand
from lyncpy.app.config import check
from lyncpy.app.surroundings import at_once
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import CommandCall, Table
from lyncpy.core.timers import Timers
from lyncpy.workloads.webservices.people_certificates import HeldCertificate
from tests.kit.certificates import authority, issue
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import key_of
from tests.kit.results import answer_of

AUTHORITY = "CN=Test Authority"


class People:
    """What was issued to people."""

    async def authority(self) -> x509.Certificate | None:
        """Give the authority."""
        return authority("People").certificate

    async def all_issued(self, *, with_states: bool) -> Sequence[HeldCertificate]:
        """Give one that is good and one of somebody who left."""
        gone = "its owner has gone" if with_states else "good"
        return [
            HeldCertificate(Aor("sip:alice@example.com"), "phone", "ab12", 0.0, 86_400.0, "good"),
            HeldCertificate(None, "desk", "cd34", 0.0, 86_400.0, gone),
        ]


def table_of(folder: Path, *flags: str, bundle: int = 1) -> Table:
    """Give the answer of a server with two kinds of keys, which trusts a directory's authority."""
    (folder / "ldap.pem").write_bytes(b"".join([authority().pem] * bundle))
    (folder / "ca.pem").write_bytes(authority("Own").pem)
    directory = {"url": "ldaps://ldap.example.com", "ca_file": "ldap.pem", "bases": ["dc=x"]}
    config = check(
        folder / "lyncpy.toml", {"sip": {"domain": "example.com"}, "web": {"https_port": 443}, "directory": directory}
    )
    server = Shown(
        issue("sip.example.com", key=key_of("server")),
        (authority().certificate,),
        (Shown(issue("sip.example.com", "*.example.com")),),
    )
    timers = Timers(Clock(), lambda: 1_000.0)
    command = CertificatesCommand(config, lambda: server, People(), at_once, timers)
    return answer_of(command.shown(CommandCall({}, dict.fromkeys(flags, "true"))))


def test_all_that_is_shown_and_trusted_is_listed(tmp_path: Path) -> None:
    """Both kinds of keys, their issuer, the private authority, those of the directory, and that of people's devices."""
    rows = table_of(tmp_path).rows
    told = [(row[0], str(row[1]), row[3], row[4], str(row[8])) for row in rows]
    assert told == [
        ("SIP and web", "sip.example.com", AUTHORITY, "RSA, 2048 bits", AUTHORITY),
        ("SIP and web", "sip.example.com, *.example.com", AUTHORITY, "ECDSA, 256 bits", ""),
        ("issuer", "", AUTHORITY, "ECDSA, 256 bits", ""),
        ("authority", "", "CN=Own", "ECDSA, 256 bits", ""),
        ("authority", "", AUTHORITY, "ECDSA, 256 bits", ""),
        ("authority for people's devices", "", "CN=People", "ECDSA, 256 bits", ""),
    ]
    assert rows[0][5:7] == ("2029-12-16T12:00:00Z", "2031-01-15T12:00:00Z")
    assert len(str(rows[0][7])) == 64
    assert [str(row[9]).removesuffix(str(tmp_path)) for row in rows][3] == (
        f"the private authority of `lyncpy init`: {tmp_path}/ca.pem"
    )
    assert rows[4][9] == f"[directory] ca_file: {tmp_path}/ldap.pem"


def test_what_was_issued_to_people_is_counted_and_listed_on_demand(tmp_path: Path) -> None:
    """With whose it is, and why one is good no more."""
    assert table_of(tmp_path).counts == {"issued": 2}
    table = table_of(tmp_path, "issued")
    assert [(str(row[1]), row[2], row[7], row[9]) for row in table.rows if row[0] == "issued"] == [
        ("alice@example.com", "phone", "ab12", "a device of alice@example.com: good"),
        ("nobody any more", "desk", "cd34", "a device of nobody any more: its owner has gone"),
    ]
    assert table.note == "1 of 2 certificates of people's devices are good"


def test_a_systems_bundle_does_not_fill_the_screen(tmp_path: Path) -> None:
    """The first are listed, and the rest in one row with the first end."""
    rows = [row for row in table_of(tmp_path, bundle=SHOWN_OF_BUNDLE + 5).rows if "ldap.pem" in str(row[9])]
    assert len(rows) == SHOWN_OF_BUNDLE + 1
    assert rows[-1][2] == "5 more"
