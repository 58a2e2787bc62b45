"""Real clients and a real server for each module; a test that fails shows what they said last."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hostile import PATIENT, assert_calm
from tests.kit.office import LdapServer, Office, OpenOffice
from tests.kit.purple_client import PurpleClient
from tests.kit.samba import Samba, missing, provisioned
from tests.kit.server import RunningServer
from tests.kit.threads import ThreadPump

PLUGIN = Path("/usr/lib/purple-2/libsipe.so")


LONGEST = (
    "debian_package", "bench", "install", "hostile_bodies", "broken_setups", "postgresql_loss", "conferences", "hostile", "two_servers",
    "two_servers_moves",
    "ntlm_domain", "bad_ends", "ldap_groups", "active_directory", "directory_passwords", "ldap_notices", "clock",
    "postgresql_reach", "kerberos_doctor", "restart", "access_levels", "web_console", "web", "nats", "ntlm_member", "ssh", "im",
    "postgresql_server", "two_servers_presence", "two_servers_im", "tls_dsk", "freeipa", "plain_log", "web_services",
)  # fmt: skip
"""The files that take longest, the longest first: one that begins last holds up the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; within a file the order stays."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that runs; it has to end in order after the last test."""
    with RunningServer(tmp_path_factory.mktemp("server") / "home").init().serving() as running:
        yield running


@pytest.fixture(scope="session")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give the server that all files of a worker share that ask quickly and wrongly, each as people of its own.

    Nobody stops it, and nobody changes how it is set; its log must be calm after each of them, and its end orderly.
    """
    with RunningServer(tmp_path_factory.mktemp("patient") / "home", **PATIENT).init().serving() as running:
        yield running
        running.stop()
        assert_calm(running)


class Clients:
    """Makes clients of the demo people of a server."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.all: list[PurpleClient] = []
        self.server = server
        self._folder = folder

    def make(self, name: str, **changes: Any) -> PurpleClient:  # Any: what PurpleClient takes
        """Make a client that does not sign in yet."""
        if changes.get("hostname") and os.geteuid():
            pytest.skip("a second endpoint on one machine needs a host name of its own, and that needs root")
        account = self.server.accounts[name]
        words = {"server": self.server.address, "ca": self.server.ca, "password": account.password, **changes}
        client = PurpleClient(account.address, folder=self._folder / f"{len(self.all)}-{name}", **words)
        self.all.append(client)
        return client

    def __call__(self, *names: str) -> list[PurpleClient]:
        """Make clients that are signed in; `alice@laptop` is one of Alice's on another machine."""
        made = [self.make(name.partition("@")[0], hostname=name.partition("@")[2]) for name in names]
        for client in made:
            client.login(wait=False)
        for client in made:
            client.signed_on()
        return made

    def close(self) -> None:
        """End all of them."""
        for client in self.all:
            client.leave()
        for client in self.all:
            client.close()


@pytest.fixture
def clients(server: RunningServer, tmp_path: Path) -> Iterator[Clients]:
    """Give a maker of clients; they are closed after the test."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    maker = Clients(server, tmp_path / "clients")
    yield maker
    maker.close()


MakeSamba = Callable[..., Samba]


@pytest.fixture(scope="session")
def make_samba(tmp_path_factory: pytest.TempPathFactory) -> MakeSamba:
    """Make domain controllers: each is a copy of the one that the first worker who needs it has provisioned."""
    base = tmp_path_factory.getbasetemp()
    # A worker's own is in that of the run.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(services: str = "ldap", *, apart: bool = False) -> Samba:
        return Samba(tmp_path_factory.mktemp("samba"), provisioned(shared), services, apart=apart)

    return make


@pytest.fixture(scope="module")
def samba(make_samba: MakeSamba) -> Iterator[Samba]:
    """One Active Directory for a module."""
    if reason := missing():
        pytest.skip(reason)
    with make_samba() as running:
        yield running


@pytest.fixture
def opened() -> Iterator[OpenOffice]:
    """Makes offices, and closes them whatever happens: a thread that is left would keep the process alive."""
    offices: list[Office] = []

    def open_office(server: LdapServer, **settings: Any) -> Office:  # Any: what Settings takes
        offices.append(Office(server, ThreadPump(), **settings))
        return offices[-1]

    yield open_office
    for office in offices:
        office.close()


SessionsOf = Callable[[PurpleClient, PurpleClient], list[dict[str, Any]]]  # Any: what a column has


@pytest.fixture
def sessions_of(server: RunningServer) -> SessionsOf:
    """Give the call detail records of what one person began with another, the oldest first."""

    def find(caller: PurpleClient, callee: PurpleClient) -> list[dict[str, Any]]:
        query = "select * from sessions where user1 = ? and user2 = ? order by invited_at"
        return server.sql(query, caller.uri, callee.uri)

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test what its server and its clients said last."""
    report = yield
    given = getattr(item, "funcargs", {})
    server, clients = given.get("server"), given.get("clients")
    if report.when == "call" and report.failed and isinstance(server, RunningServer):
        report.sections.append(("server", server.tail()))
        if isinstance(clients, Clients):
            report.sections += [(f"client {client.name}", client.tail()) for client in clients.all]
    return report
