"""The focus factory, as long as there are no conferences."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.sip.message import Response
from lyncpy.workloads.conferencing.service import Conferencing
from lyncpy.workloads.conferencing.settings import Settings
from tests.kit.hall import Device, Hall, tree
from tests.kit.results import result_of

FACTORY = "sip:alice@contoso.test;gruu;opaque=app:conf:focusfactory"
C3P = "application/cccp+xml"


@pytest.fixture
def alice() -> Device:
    """A device of Alice, in a hall with conferencing."""
    hall = Hall()
    hall.take(Conferencing(Settings()))
    return hall.device("alice")


def ask(device: Device, command: str, *, to: str = FACTORY) -> Response:
    """Ask the factory as the client does."""
    body = (
        '<?xml version="1.0"?><request xmlns="urn:ietf:params:xml:ns:cccp" C3PVersion="1"'
        f' to="{FACTORY}" from="sip:alice@contoso.test" requestId="7">{command}</request>'
    )
    return device.service(C3P, body.encode(), to=to)


@pytest.mark.parametrize("command", ["getConferencingCapabilities", "getAvailableMcuTypes"])
def test_the_capabilities_are_that_there_are_none(command: str, alice: Device) -> None:
    """The client is content with the answer, and offers no conference."""
    response = ask(alice, f"<{command} />")
    assert (response.status, response.content_type) == (200, C3P)
    answer = tree(response.body)
    assert {name: answer.get(name) for name in ("code", "requestId", "from", "to")} == {
        "code": "success",
        "requestId": "7",
        "from": FACTORY,
        "to": "sip:alice@contoso.test",
    }
    assert len(answer.find(f"{command}/mcu-types")) == 0


@pytest.mark.parametrize(
    ("command", "reason"),
    [("addConference", "otherFailure"), ("getConference", "conferenceDoesntExist"), ("somethingNew", "otherFailure")],
)
def test_every_other_command_fails_in_words_of_the_protocol(command: str, reason: str, alice: Device) -> None:
    """The request was understood, so the SIP answer is 200; the command failed, and the number says why."""
    response = ask(alice, f"<{command}><x/></{command}>")
    assert response.status == 200
    assert (response.headers.get("ms-diagnostics-public") or "").startswith("3004;")
    answer = tree(response.body)
    assert answer.get("code") == "failure"
    assert answer.find(command).get("reason") == reason


def test_a_question_to_the_factory_of_another_is_refused(alice: Device) -> None:
    """Only the organiser speaks to his factory."""
    assert ask(alice, "<addConference/>", to=FACTORY.replace("alice", "bob")).status == 403


@pytest.mark.parametrize("body", ["", "<a/><b/>", f"<{'x' * 65}/>"])
def test_refuses_what_is_no_command(body: str, alice: Device) -> None:
    """None, two, or one with an absurd name."""
    assert ask(alice, body).status == 400


def test_what_is_not_there_is_not_found(alice: Device) -> None:
    """A focus and a media relay that clients remember get a clean 404."""
    for opaque in ("app:conf:focus:id:ABC", "srvr:MRAS:x"):
        response = alice.service(C3P, b"<request/>", to=f"sip:alice@contoso.test;gruu;opaque={opaque}")
        assert response.status == 404
        assert (response.headers.get("ms-diagnostics") or "").startswith("4007;")


def test_clients_are_told_of_their_factory_unless_forbidden() -> None:
    """The URI is the user's own."""
    (provision,) = Conferencing(Settings()).offer.provisions
    assert provision.group == "ServerConfiguration"
    assert provision.write(Aor("sip:alice@contoso.test")) == f"<focusFactoryUri>{FACTORY}</focusFactoryUri>"
    assert Conferencing(Settings(announced=False)).offer.provisions == ()


def test_closes() -> None:
    """Conferencing has nothing to give back."""
    result_of(Conferencing(Settings()).close())
