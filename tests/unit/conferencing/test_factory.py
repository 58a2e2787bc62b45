"""The focus factory of a user, as their client asks it."""

from typing import Any

import pytest
from zope.interface import implementer

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.workload import IWorkload, Offer, Route
from lyncpy.sip.message import Response
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.factory import FACTORY, Factory
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.refusals import C3pRefusals
from lyncpy.workloads.conferencing.settings import Settings
from tests.kit.hall import Device, Hall, tree
from tests.kit.meters import MemoryMeter
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

URI = f"sip:alice@contoso.test;gruu;opaque={FACTORY}"
FOCUS = "sip:alice@contoso.test;gruu;opaque=app:conf:focus:id:59CED1B0AFD633DCCA56E2B6B2E5D51F"
C3P = "application/cccp+xml"
MSCI = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"
ID = "59CED1B0AFD633DCCA56E2B6B2E5D51F"


@implementer(IPolicies)
class OnePolicy:
    """The same for everybody, but that guests may be forbidden."""

    def __init__(self, *, guests: bool) -> None:
        """Take the policy."""
        self.policy = Policy(anonymous_participants=guests)

    def policy_of(self, aor: Aor) -> Policy:
        """Give it."""
        return self.policy


@implementer(IWorkload)
class FactoryAlone:
    """As much of conferencing as the factory needs."""

    name = "conferencing"

    def __init__(self, hall: Hall, settings: Settings, media: tuple[str, ...], *, guests: bool) -> None:
        """Build it."""
        self.conferences = ConferenceTable(
            hall.store,
            hall.writers,
            hall.timers,
            settings.terms(media),
            total=100,
            purge_every_s=3600.0,
            owners=AddressOwners(),
            tell=hall.bus.tell,
        )
        factory = Factory(
            self.conferences,
            OnePolicy(guests=guests),
            media,
            MeetingNotes(hall.bus),
            C3pRefusals(MemoryMeter()),
            guests=settings.guests,
            meeting_url=settings.meeting_url,
        )
        self.offer = Offer(self.name, routes=(Route("SERVICE", factory.answer, content=C3P, app=FACTORY),))

    async def open(self) -> None:
        """Open the table."""
        await self.conferences.open()

    async def close(self) -> None:
        """Close the table."""
        await self.conferences.close()


def at(*, media: tuple[str, ...] = ("chat",), may_have_guests: bool = True, **settings: Any) -> Device:
    """Give a device of Alice in a house with a factory."""
    hall = Hall()
    hall.take(FactoryAlone(hall, Settings(**settings), media, guests=may_have_guests))
    return hall.device("alice")


@pytest.fixture
def alice() -> Device:
    """A device of Alice, whose house has meeting links."""
    return at(meeting_url="https://meet.contoso.test")


def response(device: Device, command: str, *, to: str = URI) -> Response:
    """Ask the factory as the client does."""
    body = (
        '<?xml version="1.0"?><request xmlns="urn:ietf:params:xml:ns:cccp"'
        ' xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions" C3PVersion="1"'
        f' to="{URI}" from="sip:alice@contoso.test" requestId="7">{command}</request>'
    )
    return device.service(C3P, body.encode(), to=to)


def ask(device: Device, command: str) -> Any:  # Any: lxml's element
    """Give the answer to a command that was understood, whatever it says."""
    answered = response(device, command)
    assert (answered.status, answered.content_type) == (200, C3P)
    answer = tree(answered.body)
    assert {name: answer.get(name) for name in ("requestId", "from", "to")} == {
        "requestId": "7",
        "from": URI,
        "to": "sip:alice@contoso.test",
    }
    return answer


def wants(device: Device, command: str) -> Any:  # Any: as above
    """Give what a command that succeeds tells."""
    answer = ask(device, command)
    assert answer.get("code") == "success", answer[0].get("reason")
    return answer[0]


def why(device: Device, command: str) -> str:
    """Say why a command fails."""
    answer = ask(device, command)
    assert answer.get("code") == "failure"
    reason: str = answer[0].get("reason")
    return reason


def info(description: str, rest: str = "", *, entity: str = "") -> str:
    """Give a conference-info as a client writes it."""
    return (
        f'<ci:conference-info xmlns:ci="urn:ietf:params:xml:ns:conference-info" entity="{entity}" xmlns:msci="{MSCI}">'
        f"<ci:conference-description>{description}</ci:conference-description>{rest}</ci:conference-info>"
    )


def add(id_: str = ID, rest: str = "") -> str:
    """Give addConference for an id, and what else."""
    return f"<addConference>{info(f'<msci:conference-id>{id_}</msci:conference-id>{rest}')}</addConference>"


def keys(command: str, id_: str = ID) -> str:
    """Give a command about a conference."""
    named = f'msci:conference-id="{id_}"' if ":" not in id_ else f'confEntity="{id_}"'
    return f'<{command}><conferenceKeys xmlns:msci="{MSCI}" {named}/></{command}>'


# -- capabilities -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["getConferencingCapabilities", "getAvailableMcuTypes"])
@pytest.mark.parametrize("media", [(), ("chat",)])
def test_the_capabilities_are_the_media_there_are(command: str, media: tuple[str, ...]) -> None:
    """The client offers what it hears, and nothing else."""
    found = wants(at(media=media), f"<{command}/>")
    assert [kind.text for kind in found.findall("mcu-types/mcuType")] == list(media)


@pytest.mark.parametrize(
    ("meeting_policy", "policy", "said"), [(True, True, "true"), (False, True, "false"), (True, False, "false")]
)
def test_the_capabilities_say_whether_guests_may_be_invited(meeting_policy: bool, policy: bool, said: str) -> None:
    """By the house's setting and the organizer's policy."""
    found = wants(at(may_have_guests=policy, guests=meeting_policy), "<getConferencingCapabilities/>")
    assert found.findtext("anonymous-scheduling") == said


def test_without_media_no_conference_is_made() -> None:
    """A client that asks all the same learns that it is not supported."""
    assert why(at(media=()), add()) == "notSupported"


def entity_views(*entities: str) -> str:
    """Give what a client says of the media that it wants."""
    views = "".join(f'<msci:entity-view entity="{entity}"/>' for entity in entities)
    return f"<msci:conference-view>{views}</msci:conference-view>"


def with_media(command: str, *entities: str) -> str:
    """Give a command to make or change a conference with these media."""
    named = f"<msci:conference-id>{ID}</msci:conference-id>"
    return f"<{command}>{info(named, entity_views(*entities))}</{command}>"


@pytest.mark.parametrize(
    ("asked", "absent"),
    [
        (("chat",), None),
        ((), None),
        (("chat", "audio-video"), "audio-video"),
        (("audio-video", "chat", "meeting", "audio-video"), "audio-video, meeting"),
        (("chat", "x&quot;", "a" * 60), None),
        (("chat", *(f"kind-{n}" for n in range(20))), ", ".join(f"kind-{n}" for n in range(8))),
    ],
)
def test_who_asks_for_several_media_gets_those_there_are(
    asked: tuple[str, ...], absent: str | None, alice: Device
) -> None:
    """The answer names the media of the conference, and says which types of MCU are missing, in words of the protocol."""
    answered = response(alice, with_media("addConference", *asked))
    answer = tree(answered.body)
    assert answer.get("code") == "success"
    views = answer.findall("addConference/conference-info/conference-view/entity-view")
    assert [view.get("entity") for view in views] == ["chat"]
    said = answered.headers.get("Warning")
    assert said == (None if absent is None else f'399 lyncpy "mcuTypeNotAvailable: {absent}"')


def test_who_asks_for_media_there_are_none_of_is_told_why_not(alice: Device) -> None:
    """Neither made nor changed, and the types that are missing are named."""
    asked = ("audio-video", "applicationsharing")
    assert why(alice, with_media("addConference", *asked)) == "mcuTypeNotAvailable"
    said = response(alice, with_media("addConference", *asked)).headers.get("Warning")
    assert said == '399 lyncpy "mcuTypeNotAvailable: audio-video, applicationsharing"'
    assert why(alice, keys("getConference")) == "conferenceDoesntExist"
    wants(alice, add())
    assert why(alice, with_media("modifyConference", *asked)) == "mcuTypeNotAvailable"
    assert wants(alice, keys("getConference")).find("conference-info").get("version") == "1"


@pytest.mark.parametrize("entities", [(FOCUS,), (FOCUS, FOCUS.replace(":focus:", ":chat:"))])
def test_media_of_a_conference_may_be_named_by_their_uris(entities: tuple[str, ...], alice: Device) -> None:
    """As its own documents name them; the focus is no medium."""
    wants(alice, add())
    found = wants(alice, with_media("modifyConference", *entities))
    assert [v.get("entity") for v in found.findall("conference-info/conference-view/entity-view")] == ["chat"]
    assert (
        why(alice, with_media("modifyConference", FOCUS.replace(":focus:", ":audio-video:"))) == "mcuTypeNotAvailable"
    )


# -- making and changing ----------------------------------------------------------------------


def test_a_new_conference_is_told_with_its_focus(alice: Device) -> None:
    """The client reads the entity and joins it; the link is there too."""
    found = wants(alice, add())
    assert found.tag == "addConference"
    about = found.find("conference-info")
    assert about.get("entity") == FOCUS
    assert about.findtext("conference-description/join-url") == f"https://meet.contoso.test/alice/{ID}"
    assert about.findtext("conference-description/last-update") == "2023-11-14T22:13:20Z"


def test_a_conference_is_durable_when_it_is_told(alice: Device) -> None:
    """What was answered is in the store."""
    wants(alice, add())
    (record,) = result_of(_scan(alice.hall))
    assert record.key == f"sip:alice@contoso.test/{ID.lower()}"


async def _scan(hall: Hall) -> Any:  # Any: records
    return await hall.store.scan("conference")


def test_a_conference_is_found_as_it_was_made(alice: Device) -> None:
    """By its id or its URI, in any case; others' are not."""
    wants(alice, add(rest="<ci:subject>A &amp; B</ci:subject><msci:admission-policy>anonymous</msci:admission-policy>"))
    for named in (ID, ID.lower(), FOCUS):
        about = wants(alice, keys("getConference", named)).find("conference-info/conference-description")
        assert (about.findtext("subject"), about.findtext("admission-policy")) == ("A & B", "anonymous")
    for named in ("OTHER000", FOCUS.replace("alice", "bob"), "sip:alice@contoso.test"):
        assert why(alice, keys("getConference", named)) == "conferenceDoesntExist"
    assert why(alice, "<getConference/>") == "conferenceDoesntExist"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("<addConference/>", "requestMalformed"),
        (add("x"), "invalidConferenceId"),
        (f"<addConference>{info('')}</addConference>", "invalidConferenceId"),
        (add(rest="<msci:expiry-time>1999-01-01T00:00:00Z</msci:expiry-time>"), "invalidExpiryTime"),
        (add(rest="<msci:expiry-time>soon</msci:expiry-time>"), "invalidExpiryTime"),
        (add(rest="<msci:admission-policy>x</msci:admission-policy>"), "invalidAdmissionPolicy"),
        ("<modifyConference/>", "requestMalformed"),
        (f"<modifyConference>{info('')}</modifyConference>", "conferenceDoesntExist"),
        (keys("deleteConference"), "conferenceDoesntExist"),
        ("<getEncryptionKey/>", "notSupported"),
        ("<resolveConferenceId/>", "notSupported"),
        ("<somethingNew/>", "otherFailure"),
    ],
)
def test_every_failure_has_its_reason(command: str, reason: str, alice: Device) -> None:
    """The request was understood, so the SIP answer is 200; the command failed, and the reason says why."""
    assert why(alice, command) == reason


@pytest.mark.parametrize("command", ["<somethingNew/>", "<getEncryptionKey/>"])
def test_what_is_not_implemented_has_its_number(command: str, alice: Device) -> None:
    """Besides the failure in words of the protocol."""
    number = response(alice, command).headers.get("ms-diagnostics-public") or ""
    assert number.startswith("3004;")
    assert response(alice, add("x")).headers.get("ms-diagnostics-public") is None


def test_no_meeting_for_guests_where_the_policy_forbids_it() -> None:
    """Neither made nor changed into one."""
    device = at(may_have_guests=False)
    anonymous = "<msci:admission-policy>anonymous</msci:admission-policy>"
    assert why(device, add(rest=anonymous)) == "anonymousUsersNotAllowed"
    wants(device, add())
    named = f"<msci:conference-id>{ID}</msci:conference-id>{anonymous}"
    assert why(device, f"<modifyConference>{info(named)}</modifyConference>") == "anonymousUsersNotAllowed"


@pytest.mark.parametrize(
    "command",
    [
        f"<modifyConference>{info(f'<msci:conference-id>{ID}</msci:conference-id><ci:subject>New</ci:subject>')}"
        "</modifyConference>",
        f"<modifyConference>{info('<ci:subject>New</ci:subject>', entity=FOCUS)}</modifyConference>",
        f'<modifyConference><conferenceKeys confEntity="{FOCUS}"/>{info("<ci:subject>New</ci:subject>")}'
        "</modifyConference>",
    ],
)
def test_a_conference_is_changed_however_it_is_named(command: str, alice: Device) -> None:
    """By its id, by its entity, by its keys; the version grows."""
    wants(alice, add())
    changed = wants(alice, command).find("conference-info")
    assert (changed.get("version"), changed.findtext("conference-description/subject")) == ("2", "New")


def test_a_deleted_conference_is_gone(alice: Device) -> None:
    """And its id is free."""
    wants(alice, add())
    wants(alice, keys("deleteConference"))
    assert why(alice, keys("getConference")) == "conferenceDoesntExist"
    wants(alice, add())


def test_conferences_are_listed_by_pages(alice: Device) -> None:
    """The latest first, with how many there are."""
    for id_ in ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC"):
        wants(alice, add(id_))
        alice.hall.clock.advance(1)
    page = wants(alice, '<getConferences offset="1" limit="1"/>')
    ids = [each.findtext("conference-description/conference-id") for each in page.findall("conference-info")]
    assert (ids, page.get("total")) == (["BBBBBBBB"], "3")
    assert len(wants(alice, "<getConferences/>").findall("conference-info")) == 3


def test_a_new_id_is_nobodys(alice: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be used at once; one that is taken is not given."""
    found = wants(alice, "<getNewConferenceId/>").findtext("conference-id")
    wants(alice, add(found))
    letters = iter("AAAAAAAAAAAAAAAABBBBBBBB")
    monkeypatch.setattr("secrets.choice", lambda alphabet: next(letters))
    wants(alice, add("AAAAAAAA"))
    assert wants(alice, "<getNewConferenceId/>").findtext("conference-id") == "BBBBBBBB"


# -- who asks, and how ------------------------------------------------------------------------


def test_a_question_to_the_factory_of_another_is_refused(alice: Device) -> None:
    """Only the organizer speaks to their factory."""
    assert response(alice, add(), to=URI.replace("alice", "bob")).status == 403


@pytest.mark.parametrize("body", ["", "<a/><b/>", f"<{'x' * 65}/>"])
def test_refuses_what_is_no_command(body: str, alice: Device) -> None:
    """None, two, or one with an absurd name."""
    assert response(alice, body).status == 400


def test_a_request_is_answered_in_its_own_words_only(alice: Device) -> None:
    """What the client wrote into its attributes cannot break the answer."""
    body = (
        b'<request C3PVersion="1" to="&quot;&gt;" from="&lt;x&gt;" requestId="&quot; code=&quot;success">'
        b"<nothing/></request>"
    )
    answer = tree(alice.service(C3P, body, to=URI).body)
    assert (answer.get("code"), answer.get("to"), answer.get("requestId")) == ("failure", "<x>", '" code="success')


@pytest.mark.parametrize(
    "data",
    [
        "<msci:notification-data>" + "<a/>" * 5000 + "</msci:notification-data>",
        "<msci:notification-data>" + "x" * 20_000 + "</msci:notification-data>",
    ],
)
def test_more_than_is_kept_for_clients_is_refused(data: str, alice: Device) -> None:
    """However it is put."""
    assert why(alice, add(rest=data)) == "notificationDataTooLarge"
