"""A people file and an OpenLDAP server at the same time, with real clients of both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.auth.ntlm import nt_hash
from tests.interop.conftest import Clients
from tests.kit.directory import JPEG
from tests.kit.server import RunningServer, wait_until
from tests.kit.slapd import PEOPLE, SLAPD, Slapd

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not SLAPD.exists(), reason="slapd is not installed")]

SEVERAL = """
[[directory]]
interval_s = 1
retry_s = 1
removal_minimum = 100

[[directory]]
name = "office"
url = "{url}"
connect_timeout_s = 1
"""


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    """Give an LDAP server with Olga, and an Alice whose address the people file has."""
    with Slapd(tmp_path / "slapd") as slapd:
        for name in ("olga", "alice"):
            hashed = nt_hash(f"{name}'s secret").hex()
            slapd.add(name, msRTCSIP_PrimaryUserAddress=f"sip:{name}@example.test", sambaNTPassword=hashed)
        slapd.modify(f"uid=olga,{PEOPLE}", jpegPhoto=JPEG + b"olga")
        yield slapd


@pytest.fixture
def server(slapd: Slapd, tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server whose people are in a file and, after it, in the LDAP server."""
    running = RunningServer(tmp_path / "home").init()
    with (running.home / "lyncpy.toml").open("a") as settings:
        settings.write(SEVERAL.format(url=slapd.url))
    with (running.home / "demo-accounts.toml").open("a") as accounts:
        accounts.write('[olga]\naddress = "olga@example.test"\npassword = "olga\'s secret"\n')
    with running.serving():
        yield running


def test_people_of_a_file_and_of_ldap(server: RunningServer, slapd: Slapd, clients: Clients) -> None:
    """They talk and find one another; who is in both is the file's; while the LDAP server is away its people stay."""
    alice, olga = clients("alice", "olga")
    olga.send_im(alice.address, "hello from the LDAP server")
    alice.wait_for("im", who=olga.uri, text="hello from the LDAP server")
    assert alice.search(given="olga") == [olga.address]
    assert "people.toml [alice]" in server.ssh("user show alice@example.test")
    assert "already that of" in server.ssh("directory skipped")
    slapd.stop()
    people = server.home / "people.toml"
    people.write_text(f'{people.read_text()}\n["newcomer"]\naddress = "newcomer@example.test"\n')
    wait_until(lambda: "newcomer@example.test" in server.ssh("users newcomer"), "the change of the file counts")
    status = server.ssh("directory status")
    assert "cannot be read" in status and "office: " in status
    assert f"uid=olga,{PEOPLE}" in server.ssh("user show olga@example.test")
    assert "one of the directories cannot be read" in server.ssh("why olga@example.test")
    olga.send_im(alice.address, "still here")
    alice.wait_for("im", who=olga.uri, text="still here")
    slapd.start()
    wait_until(lambda: "cannot be read" not in server.ssh("directory status"), "the LDAP server is read again")
    slapd.delete(f"uid=olga,{PEOPLE}")
    wait_until(lambda: "olga" not in server.ssh("users olga").partition("of")[0], "who is gone from it is gone")
