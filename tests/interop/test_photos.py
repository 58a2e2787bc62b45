"""Photos in an LDAP directory are shown by real clients, and read as a real OpenLDAP server gives them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.auth.ntlm import nt_hash
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.ldap_photos import LdapPhotos
from lyncpy.backends.threads import Threads
from lyncpy.contracts.photos import FoundPhoto
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.interop.conftest import Clients
from tests.kit.directory import JPEG, person
from tests.kit.office import OpenOffice
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, wait_until
from tests.kit.slapd import PEOPLE, SLAPD, Slapd

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not SLAPD.exists(), reason="slapd is not installed")]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Give an LDAP server with the demo people, of whom two have a photo."""
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        yield slapd


@pytest.fixture(scope="module")
def server(slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with these people and a site."""
    (port,) = free_ports(1)
    site = {"web__https_host": "127.0.0.1", "web__https_port": port, "web__url": f"https://127.0.0.1:{port}"}
    running = RunningServer(tmp_path_factory.mktemp("server") / "home", **site, directory__url=slapd.url).init()
    accounts = running.home / "demo-accounts.toml"
    for name in ("alice", "bob", "carol"):
        address, password = f"{name}@example.test", f"{name}'s secret"
        slapd.add(name, msRTCSIP_PrimaryUserAddress=f"sip:{address}", sambaNTPassword=nt_hash(password).hex())
        with accounts.open("a") as file:
            file.write(f'[{name}]\naddress = "{address}"\npassword = "{password}"\n')
    slapd.modify(f"uid=bob,{PEOPLE}", jpegPhoto=[JPEG + b"x" * 31_000, JPEG + b"bob"])
    slapd.modify(f"uid=carol,{PEOPLE}", jpegPhoto=b"<script>alert(1)</script>")
    with running.serving():
        yield running


def _icons(folder: Path) -> list[bytes]:
    """Give the pictures of contacts that a client has kept."""
    return [path.read_bytes() for path in folder.rglob("icons/*")]


def test_a_client_shows_the_photo_of_a_contact(clients: Clients, server: RunningServer, tmp_path: Path) -> None:
    """It looks up whom it has in its list, and keeps what it got; what is no picture reaches nobody."""
    (alice,) = clients("alice")
    for name in ("bob", "carol"):
        alice.add_buddy(server.accounts[name].address)
    wait_until(lambda: _icons(tmp_path) == [JPEG + b"bob"], "she has kept the photo of Bob, and no other")
    assert "/abs/handler/bob@" in alice.log()
    assert "/abs/handler/carol@" not in alice.log()
    # Each search has the same head, to the byte: by that the server knows the ticket again.
    searches = [
        line for line in alice.log().splitlines() if line.startswith("<soap:Envelope") and "<SearchAbEntry" in line
    ]
    assert len(searches) >= 2
    assert len({line.partition("<soap:Body>")[0] for line in searches}) == 1


def test_photos_are_read_over_ldap(slapd: Slapd, server: RunningServer, opened: OpenOffice) -> None:
    """Of entries that are there and that are not, and not at all once the server is gone."""
    office = opened(slapd)
    photos = LdapPhotos(
        ("thumbnailPhoto", "jpegPhoto"),
        office.directory.access,
        LdapConnection,
        Threads(office.pump, "photos"),
        office.timers,
    )

    def read(*names: str) -> tuple[FoundPhoto, ...]:
        people = [person(name, source=f"uid={name},{PEOPLE}") for name in names]
        return office.pump.run(photos.read(people, lambda data: "too large" if len(data) > 30_720 else ""))

    found = read("bob", "alice", "nobody")
    assert found == (FoundPhoto(JPEG + b"bob"), FoundPhoto(), FoundPhoto())
    slapd.stop()
    with pytest.raises(DirectoryUnavailable, match="cannot be reached"):
        read("bob")
    office.pump.run(photos.close())
