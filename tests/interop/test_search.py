"""Real clients search for people as their users type them."""

from collections.abc import Iterator

import pytest

from tests.interop.conftest import Clients
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

PEOPLE = """
[jose]
address = "jose@example.test"
display_name = "José María Núñez"
mail = "j.nunez@mail.example.test"
company = "Fabrikam"
department = "Astronomy"
phones = { work = "+49 (0)89 123-4567" }

[nina]
address = "nina@example.test"
display_name = "Nunez, Nina"
company = "Fabrikam"

[gone]
address = "gone@example.test"
display_name = "Nunez, Gone"
enabled = false
"""


@pytest.fixture(scope="module", params=["over SIP", "over HTTPS"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server whose directory has some more people; clients search over HTTPS where it has a site."""
    (port,) = free_ports(1)
    site = {"https_host": "127.0.0.1", "https_port": port, "url": f"https://127.0.0.1:{port}"}
    settings = {f"web__{name}": value for name, value in site.items()} if request.param == "over HTTPS" else {}
    running = RunningServer(tmp_path_factory.mktemp("server") / "home", **settings).init()
    with (running.home / "people.toml").open("a", encoding="utf-8") as file:
        file.write(PEOPLE)
    with running.serving():
        yield running


def test_people_are_found_by_the_form_of_a_client(clients: Clients, server: RunningServer) -> None:
    """By first and last name where they are only in the name that is shown, without accents, and typed into the wrong field."""
    (alice,) = clients("alice")
    assert alice.search(surname="nunez") == ["jose@example.test", "nina@example.test"]
    assert alice.search(given="maria", surname="NUN") == ["jose@example.test"]
    assert alice.search(given="nunez nina") == ["nina@example.test"]
    assert alice.search(given="astro") == ["jose@example.test"]
    assert alice.search(given="4567") == ["jose@example.test"]
    assert alice.search(email="j.nun") == ["jose@example.test"]
    assert alice.search(sipid="nina@example.test") == ["nina@example.test"]
    assert alice.search(company="fabrikam", surname="nunez") == ["jose@example.test", "nina@example.test"]
    is_over_https = "web.https_port=0" not in server.words
    assert ("got a ticket for https://127.0.0.1" in server.log()) == is_over_https
    assert ("directorySearch" in alice.log()) != is_over_https


def test_a_contact_card_shows_what_the_directory_has(clients: Clients) -> None:
    """Of somebody who is in nobody's list and has never signed in."""
    (alice,) = clients("alice")
    card = alice.card("jose@example.test")
    for words in ("José María Núñez", "j.nunez@mail.example.test", "Fabrikam", "+49"):
        assert words in card


@pytest.mark.parametrize("typed", ["gone", "zzz", "%", "a" * 200, "x y z " * 30])
def test_nobody_is_found_who_was_not_looked_for(clients: Clients, typed: str) -> None:
    """Nor who is switched off; the client says that there is nobody."""
    (alice,) = clients("alice")
    assert alice.search(given=typed) == []
