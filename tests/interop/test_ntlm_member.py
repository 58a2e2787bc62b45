"""NTLM on a computer that has joined the domain, as an office has it: controller and member have a winbind each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, MakeSamba
from tests.kit.domain_member import NAME, SERVICES, DomainMember, missing
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.samba import DOMAIN, ENABLED, Samba, reading
from tests.kit.samba import missing as missing_controller
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

PASSWORD = "Nur-1m-Verzeichnis!"


@pytest.fixture(scope="module")
def samba(make_samba: MakeSamba) -> Iterator[Samba]:
    """The controller, with two people."""
    if reason := missing_controller() or missing():
        pytest.skip(reason)
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    with make_samba(SERVICES, apart=True) as running:
        for uid in ("frank", "grace"):
            running.add(
                uid,
                password=PASSWORD,
                userAccountControl=str(ENABLED),
                msRTCSIP_PrimaryUserAddress=f"sip:{uid}@example.test",
            )
        yield running


@pytest.fixture(scope="module")
def member(samba: Samba, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DomainMember]:
    """The computer that the server is on."""
    with DomainMember(tmp_path_factory.mktemp("member") / "samba", samba) as joined:
        yield joined


@pytest.fixture
def running(
    samba: Samba, member: DomainMember, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[RunningServer]:
    """Give a server of that domain's people, which calls itself as the test says."""
    server = RunningServer(tmp_path / "home").init()
    where = reading(samba, ca_file=str(samba.ca_file), bind_password_file=str(samba.password_file))
    names = {"ntlm_auth": list(member.ntlm_auth), "netbios_domain": DOMAIN, "netbios_computer": request.param}
    server.write_settings("directory", **where)
    server.write_settings("auth", **names)
    try:
        yield server.start()
        server.stop()
    finally:
        server.close()


@pytest.fixture
def clients(running: RunningServer, tmp_path: Path) -> Iterator[list[PurpleClient]]:
    """Give the clients of Frank and Grace."""
    made = [
        PurpleClient(
            f"{uid}@example.test",
            PASSWORD,
            login=f"{DOMAIN}\\{uid}",
            server=running.address,
            folder=tmp_path / uid,
            ca=running.ca,
        )
        for uid in ("frank", "grace")
    ]
    yield made
    for one in made:
        one.leave()
        one.close()


@pytest.mark.parametrize("running", [NAME], indirect=True)
def test_people_sign_in_on_a_computer_that_has_joined(running: RunningServer, clients: list[PurpleClient]) -> None:
    """The controller is asked over the computer's own channel, and gives the key that signs each message."""
    frank, grace = clients
    frank.login()
    grace.login()
    frank.send_im(grace.address, "by way of another computer")
    grace.wait_for("im", text="by way of another computer")
    assert PASSWORD not in running.log()


@pytest.mark.parametrize("running", ["FE1"], indirect=True)
def test_a_controller_believes_a_computer_in_its_own_name_alone(
    running: RunningServer, clients: list[PurpleClient]
) -> None:
    """What was proved to another one could have been passed on; `why` says so."""
    with pytest.raises(ConnectionRefusedByServer):
        clients[0].login()
    why = running.ssh("why frank@example.test")
    assert "wrong password" in why
    assert "where the challenge does not name this computer as it has joined" in why
