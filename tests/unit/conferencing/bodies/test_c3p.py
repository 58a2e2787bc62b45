"""C3P as clients write it, and as they are answered."""

from typing import Any

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.conferencing.bodies.c3p import (
    AddUser,
    C3pCommand,
    DeleteConference,
    DeleteUser,
    FocusRequest,
    GetConference,
    ModifyConference,
    SetLobbyAccess,
    SetLock,
    SetRole,
    UnknownCommand,
    read_conference_id,
    read_conference_request,
    read_focus_request,
    read_page,
    read_request,
    refused,
    write_added,
    write_capabilities,
    write_failure,
    write_pending,
    write_success,
)
from lyncpy.workloads.conferencing.model.conference import (
    C3pReason,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceRole,
)
from tests.kit.hall import tree
from tests.kit.rosters import ALICE, BOB, CAROL, FOCUS, NOON

MSCI = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"
KEYS = f'<conferenceKeys confEntity="{FOCUS}"/>'
BOB_KEYS = f'<userKeys confEntity="{FOCUS}" userEntity="sip:Bob@contoso.test"/>'

ADD_CONFERENCE = (
    '<addConference><ci:conference-info xmlns:ci="urn:ietf:params:xml:ns:conference-info" entity=""'
    f' xmlns:msci="{MSCI}"><ci:conference-description><ci:subject/>'
    "<msci:conference-id>59CED1B0AFD633DCCA56E2B6B2E5D51F</msci:conference-id>"
    "<msci:expiry-time>2026-07-20T19:00:00Z</msci:expiry-time>"
    "<msci:admission-policy>openAuthenticated</msci:admission-policy></ci:conference-description>"
    '<msci:conference-view><msci:entity-view entity="chat"/><msci:entity-view entity="audio-video"/>'
    "</msci:conference-view></ci:conference-info></addConference>"
)
"""As the real client writes it."""

JOIN = (
    f'<addUser>{KEYS}<ci:user xmlns:ci="urn:ietf:params:xml:ns:conference-info" entity="sip:Bob@contoso.test">'
    "<ci:roles><ci:entry>attendee</ci:entry></ci:roles>"
    f'<ci:endpoint entity="{{1FBF2C6B}}" xmlns:msci="{MSCI}"/></ci:user></addUser>'
)


def command(xml: str) -> C3pCommand:
    """Read a command as it arrives."""
    return read_request(
        '<?xml version="1.0"?><request xmlns="urn:ietf:params:xml:ns:cccp"'
        ' xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions" C3PVersion="1"'
        f' to="{FOCUS}" from="sip:bob@contoso.test" requestId="7">{xml}</request>'.encode()
    )


def ask(xml: str) -> FocusRequest | ConferenceDenied:
    """Read what is asked of a focus."""
    return read_focus_request(command(xml))


def info(description: str, rest: str = "") -> Any:  # Any: lxml's element
    """Give a conference-info with this description."""
    return command(
        f'<addConference><conference-info xmlns:msci="{MSCI}"><conference-description>{description}'
        f"</conference-description>{rest}</conference-info></addConference>"
    ).element[0]


@pytest.mark.parametrize("body", [b"", b"<request/>", b"<response><a/></response>", b"<request><a/><b/></request>"])
def test_refuses_what_is_no_command(body: bytes) -> None:
    """None, two, or no request at all."""
    with pytest.raises(RemoteProtocolError):
        read_request(body)


def test_refuses_a_command_with_an_absurd_name() -> None:
    """It would come back in the answer."""
    with pytest.raises(RemoteProtocolError):
        read_request(f"<request><{'x' * 65}/></request>".encode())


# -- what is asked of a focus -----------------------------------------------------------------


def test_reads_a_join() -> None:
    """As the real client asks, and its spelling of its own address with it."""
    assert ask(JOIN) == AddUser(
        FOCUS,
        BOB,
        "sip:Bob@contoso.test",
        "{1FBF2C6B}",
        display_name="",
        role="attendee",
        lobby_capable=False,
        dials_out=False,
        target="",
    )


@pytest.mark.parametrize("place", ["<endpoint entity='e'>{}</endpoint>", "<endpoint entity='e'/>{}"])
def test_reads_that_a_client_knows_the_lobby(place: str) -> None:
    """Below the endpoint or the user, in the two places that the specification has it."""
    capable = (
        f'<clientInfo xmlns="{MSCI}"><separator xmlns="urn:ietf:params:xml:ns:conference-info-separator"/>'
        '<lobby-capable xmlns="http://schemas.microsoft.com/rtc/2008/12/confinfoextensions"> true </lobby-capable>'
        "</clientInfo>"
    )
    found = ask(f'<addUser>{KEYS}<user entity="sip:bob@contoso.test">{place.format(capable)}</user></addUser>')
    assert isinstance(found, AddUser)
    assert found.lobby_capable
    assert not found.dials_out


def test_reads_whom_to_call() -> None:
    """A presenter asks the focus to call somebody by itself."""
    found = ask(
        f'<addUser>{KEYS}<user entity="sip:bob@contoso.test"><display-text> Bob </display-text>'
        '<endpoint entity="e" endpoint-uri="tel:+49123"><joining-method>dialed-out</joining-method></endpoint>'
        "</user></addUser>"
    )
    assert isinstance(found, AddUser)
    assert (found.dials_out, found.target, found.display_name) == (True, "tel:+49123", "Bob")


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (f"<deleteUser>{BOB_KEYS}</deleteUser>", DeleteUser(FOCUS, BOB)),
        (
            f"<modifyUserRoles>{BOB_KEYS}<user-roles><entry>presenter</entry></user-roles></modifyUserRoles>",
            SetRole(FOCUS, BOB, ConferenceRole.PRESENTER),
        ),
        (
            f"<modifyConferenceLock>{KEYS}<locked>true</locked></modifyConferenceLock>",
            SetLock(FOCUS, locked=True, requested=ConferenceRequest()),
        ),
        (
            f"<modifyConferenceLock>{KEYS}<locked>0</locked><mscp:admission-policy>anonymous</mscp:admission-policy>"
            "<mscp:autopromote>32768</mscp:autopromote><mscp:pstn-lobby-bypass>true</mscp:pstn-lobby-bypass>"
            "</modifyConferenceLock>",
            SetLock(
                FOCUS,
                locked=False,
                requested=ConferenceRequest(admission="anonymous", autopromote=32768, pstn_lobby_bypass=True),
            ),
        ),
        (
            f"<setLobbyAccess>{KEYS}<userEntity>sip:bob@contoso.test</userEntity>"
            "<userEntity>sip:carol@contoso.test</userEntity><access>granted</access></setLobbyAccess>",
            SetLobbyAccess(FOCUS, (BOB, CAROL), granted=True),
        ),
        (
            f"<setLobbyAccess>{KEYS}<userEntity>sip:bob@contoso.test</userEntity><access>denied</access>"
            "</setLobbyAccess>",
            SetLobbyAccess(FOCUS, (BOB,), granted=False),
        ),
        (f"<deleteConference>{KEYS}</deleteConference>", DeleteConference(FOCUS)),
        (f"<getConference>{KEYS}</getConference>", GetConference(FOCUS)),
        (
            f'<modifyConference><conference-info entity="{FOCUS}"><conference-description><subject>New</subject>'
            "</conference-description></conference-info></modifyConference>",
            ModifyConference(FOCUS, ConferenceRequest(subject="New"), ""),
        ),
        (
            f'<modifyConference mscp:mcuUri="{FOCUS.replace("focus", "chat")}">{KEYS}<conference-info/>'
            "</modifyConference>",
            ModifyConference(FOCUS, ConferenceRequest(), FOCUS.replace("focus", "chat")),
        ),
        (f'<modifyEndpointMedia><mediaKeys confEntity="{FOCUS}"/></modifyEndpointMedia>', UnknownCommand(FOCUS)),
        ("<somethingNew/>", UnknownCommand("")),
    ],
)
def test_reads_what_is_asked_of_a_focus(xml: str, expected: FocusRequest) -> None:
    """Every command, with the focus as the client spelled it."""
    assert ask(xml) == expected


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<addUser/>", C3pReason.REQUEST_MALFORMED),
        (f"<addUser><user entity='{BOB}'/><user entity='{BOB}'/></addUser>", C3pReason.REQUEST_MALFORMED),
        (
            f"<addUser><user entity='{BOB}'><endpoint entity='{'x' * 257}'/></user></addUser>",
            C3pReason.REQUEST_MALFORMED,
        ),
        ("<addUser><user/></addUser>", C3pReason.INVALID_USER),
        ("<addUser><user entity='tel:+49123'/></addUser>", C3pReason.INVALID_USER),
        ("<addUser><user entity='sip:bob'/></addUser>", C3pReason.INVALID_USER),
        ("<addUser><user entity='sip:@contoso.test'/></addUser>", C3pReason.INVALID_USER),
        ("<addUser><user entity='sip:b b@contoso.test'/></addUser>", C3pReason.INVALID_USER),
        ("<deleteUser/>", C3pReason.INVALID_USER),
        ("<modifyUserRoles/>", C3pReason.INVALID_USER),
        (f"<modifyUserRoles>{BOB_KEYS}</modifyUserRoles>", C3pReason.INVALID_ROLE),
        (
            f"<modifyUserRoles>{BOB_KEYS}<user-roles><entry>boss</entry></user-roles></modifyUserRoles>",
            C3pReason.INVALID_ROLE,
        ),
        ("<modifyConferenceLock><locked>perhaps</locked></modifyConferenceLock>", C3pReason.REQUEST_MALFORMED),
        ("<setLobbyAccess><access>granted</access></setLobbyAccess>", C3pReason.INVALID_USER),
        (
            f"<setLobbyAccess><userEntity>{BOB}</userEntity><userEntity/><access>granted</access></setLobbyAccess>",
            C3pReason.INVALID_USER,
        ),
        (f"<setLobbyAccess><userEntity>{BOB}</userEntity></setLobbyAccess>", C3pReason.REQUEST_MALFORMED),
        ("<modifyConference/>", C3pReason.REQUEST_MALFORMED),
        (
            "<modifyConference><conference-info><conference-description><expiry-time>soon</expiry-time>"
            "</conference-description></conference-info></modifyConference>",
            C3pReason.INVALID_EXPIRY,
        ),
    ],
)
def test_denies_what_is_malformed(xml: str, reason: C3pReason) -> None:
    """In words of the protocol."""
    found = ask(xml)
    assert isinstance(found, ConferenceDenied)
    assert found.reason is reason


# -- conferences as clients describe them -----------------------------------------------------


def test_reads_the_wish_of_the_real_client() -> None:
    """It names an id of its own, and the media it knows."""
    assert read_conference_request(command(ADD_CONFERENCE).element[0]) == ConferenceRequest(
        id="59CED1B0AFD633DCCA56E2B6B2E5D51F",
        subject="",
        expires=NOON + 7 * 3600,
        admission="openAuthenticated",
        media=("chat", "audio-video"),
    )


def test_reads_a_full_request() -> None:
    """Everything that the specification's example has, in other namespaces too."""
    found = read_conference_request(
        info(
            "<display-text> Budget talk </display-text><msci:conference-key>s3cret</msci:conference-key>"
            "<msci:notification-data><x:a xmlns:x='urn:x'>1</x:a></msci:notification-data>"
            "<separator/><msci:autopromote>2147483648</msci:autopromote>"
            "<msci:pstn-lobby-bypass>true</msci:pstn-lobby-bypass>",
            "<users><user entity='sip:bob@contoso.test'><roles><entry>presenter</entry></roles></user>"
            "<user entity='sip:carol@contoso.test'/></users>",
        )
    )
    assert isinstance(found, ConferenceRequest)
    assert (found.display_text, found.passcode, found.autopromote) == ("Budget talk", "s3cret", 2_147_483_648)
    assert found.pstn_lobby_bypass
    assert found.invited == ((BOB, "presenter"), (CAROL, "attendee"))
    assert found.notification_data is not None
    assert tree(found.notification_data.encode()).findtext("a") == "1"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-07-20T12:00:00Z", NOON),
        ("2026-07-20T12:00:00", NOON),
        ("2026-07-20T14:00:00+02:00", NOON),
        ("2026-07-20T12:00:00.5000000Z", NOON + 0.5),
    ],
)
def test_reads_times_as_clients_write_them(text: str, at: float) -> None:
    """With a zone or without, and with more digits than anybody needs."""
    found = read_conference_request(info(f"<expiry-time>{text}</expiry-time>"))
    assert isinstance(found, ConferenceRequest)
    assert found.expires == at


@pytest.mark.parametrize(
    ("description", "rest", "reason"),
    [
        ("<expiry-time/>", "", C3pReason.INVALID_EXPIRY),
        ("<expiry-time>99999-01-01T00:00:00Z</expiry-time>", "", C3pReason.INVALID_EXPIRY),
        ("<autopromote>-1</autopromote>", "", C3pReason.INVALID_AUTOPROMOTE),
        (f"<autopromote>{'9' * 5000}</autopromote>", "", C3pReason.INVALID_AUTOPROMOTE),
        ("", "<users><user entity='bob'/></users>", C3pReason.INVALID_USER),
    ],
)
def test_denies_what_cannot_be_read(description: str, rest: str, reason: C3pReason) -> None:
    """A number or a time that is none, an address that is none."""
    found = read_conference_request(info(description, rest))
    assert isinstance(found, ConferenceDenied)
    assert found.reason is reason


def test_reads_a_wish_without_a_description() -> None:
    """Then it is about the media alone, or about nothing."""
    xml = "<addConference><conference-info version='3'/></addConference>"
    assert read_conference_request(command(xml).element[0]) == ConferenceRequest(version=3)


@pytest.mark.parametrize(
    ("xml", "named"),
    [
        (
            f'<getConference><conferenceKeys xmlns:msci="{MSCI}" msci:conference-id="SDFBSD12"/></getConference>',
            "SDFBSD12",
        ),
        (f"<getConference>{KEYS}</getConference>", FOCUS),
        ("<getConference><conferenceKeys/></getConference>", ""),
        ("<getConference/>", ""),
    ],
)
def test_reads_which_conference_is_meant(xml: str, named: str) -> None:
    """By its id, or by its URI."""
    assert read_conference_id(command(xml).element) == named


@pytest.mark.parametrize(
    ("attributes", "page"),
    [("", (0, 100)), ('offset="5" limit="7"', (5, 7)), ('offset="x" limit="-1"', (0, 100)), ('limit="999"', (0, 100))],
)
def test_reads_which_page_is_wanted(attributes: str, page: tuple[int, int]) -> None:
    """Never more than the house gives at once."""
    assert read_page(command(f"<getConferences {attributes}/>").element, 100) == page


# -- responses --------------------------------------------------------------------------------


def test_a_join_is_answered_with_what_was_asked() -> None:
    """The keys unchanged, the user as the client spelled them, and the role that they got."""
    asked = ask(JOIN)
    assert isinstance(asked, AddUser)
    answer = tree(write_added(command(JOIN), asked, ConferenceRole.PRESENTER))
    assert {name: answer.get(name) for name in ("code", "requestId", "from", "to")} == {
        "code": "success",
        "requestId": "7",
        "from": FOCUS,
        "to": "sip:bob@contoso.test",
    }
    assert answer.find("addUser/conferenceKeys").get("confEntity") == FOCUS
    assert answer.find("addUser/user").get("entity") == "sip:Bob@contoso.test"
    assert [entry.text for entry in answer.findall("addUser/user/roles/entry")] == ["presenter"]


def test_a_command_succeeds_fails_or_is_pending() -> None:
    """The code says which, the reason why."""
    asked = command("<deleteUser/>")
    assert tree(write_success(asked)).get("code") == "success"
    assert tree(write_pending(asked)).get("code") == "pending"
    failure = tree(write_failure(asked, C3pReason.FORBIDDEN))
    assert (failure.get("code"), failure.find("deleteUser").get("reason")) == ("failure", "forbidden")


def test_capabilities_are_told_to_either_question() -> None:
    """The newer one also learns whether guests may be invited."""
    old = tree(write_capabilities(command("<getAvailableMcuTypes/>"), ("chat",), guests=True))
    assert [kind.text for kind in old.findall("getAvailableMcuTypes/mcu-types/mcuType")] == ["chat"]
    new = tree(write_capabilities(command("<getConferencingCapabilities/>"), ("chat",), guests=False))
    assert new.find("getConferencingCapabilities").get("capability-version") == "0"
    assert new.findtext("getConferencingCapabilities/anonymous-scheduling") == "false"


@pytest.mark.parametrize(
    ("denied", "status", "number", "text"),
    [
        (ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST), 404, 3003, "This meeting does not exist or is over"),
        (ConferenceDenied(C3pReason.UNAUTHORIZED, "This meeting is locked"), 403, 3014, "This meeting is locked"),
        (ConferenceDenied(C3pReason.INVALID_USER), 400, 3007, "The request to join names no valid user"),
        (ConferenceDenied(C3pReason.SERVER_BUSY), 503, 1, "Service unavailable"),
    ],
)
def test_who_cannot_join_is_told_why(denied: ConferenceDenied, status: int, number: int, text: str) -> None:
    """The client shows the sentence."""
    no = refused(denied)
    assert no.diagnostics is not None
    assert (no.status, no.diagnostics.error_id, no.diagnostics.reason) == (status, number, text)


def test_no_address_is_read_from_nothing() -> None:
    """Alice is the same user however the client writes the address."""
    found = ask("<addUser><user entity='SIP:ALICE@contoso.test;gruu'/></addUser>")
    assert isinstance(found, AddUser)
    assert found.user == ALICE
