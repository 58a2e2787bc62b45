"""Every element that a client is told, against the data models of [MS-SIPREGE] 2.2.2.5, and what keeps its promise.

A row says: the element; its type; whether the data model demands it (an element that it lists for a server
role is due where that role is installed, here none); what it promises a client; and what keeps the promise:

- `setting X`: a setting of [provisioning], or `policy X`: what the user may; with another, another value is told;
- `mcu X`: an MCU of that type, `book`: the address book's web service; without it nothing is promised;
- `nobody`: nothing, so that whatever the settings are the value promises nothing;
- `client`: the client alone acts on it, and nothing is asked of the server.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from zope.interface import implementer

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.workloads.provisioning.bodies import write_groups
from lyncpy.workloads.provisioning.provisions import provisions
from lyncpy.workloads.provisioning.settings import Settings
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.routes import Routes
from lyncpy.workloads.voice.settings import Settings as VoiceSettings
from tests.kit.hall import FewPeople, tree
from tests.kit.voice import scopes_of

FLAG: Final = "true|false"
NUMBER: Final = r"\d{1,9}"
PORT: Final = r"[1-9]\d{3,4}"
ADDRESS: Final = r"(https://[a-z0-9.-]+(:\d+)?/[A-Za-z0-9/.]+)?"
TEXT: Final = r"[^<>]*"
LEVEL: Final = "None|SingleApplication|Desktop"

PHOTOS: Final = "https://sip.contoso.test/abs/handler"
BOOK: Final = "https://sip.contoso.test/GroupExpansion/Service.svc"
ALICE: Final = Aor("sip:alice@contoso.test")

DUE, FREE = True, False


@dataclass(frozen=True)
class Row:
    """What is known of one element; the module says what the columns mean."""

    name: str
    type: str
    is_due: bool
    promise: str
    keeper: str


def _ports() -> Iterator[Row]:
    for kind in ("Media", "Audio", "Video", "AppSharing", "FileTransfer"):
        for end, setting in (("Min", "media_port_lowest"), ("Max", "media_port_highest")):
            yield Row(f"uc{end}{kind}Port", PORT, DUE, "calls keep to these ports", f"setting {setting}")


def _nowhere(promise: str, *names: str) -> Iterator[Row]:
    for name in names:
        yield Row(name, ADDRESS, DUE, promise, "nobody")


SERVER: Final = (
    Row("absWebServiceEnabled", FLAG, DUE, "people are searched for over HTTPS", "book"),
    *(
        Row(f"{what}{end}Url", ADDRESS, DUE, "this is where", "book")
        for what in ("abwq", "dlx")
        for end in ("Internal", "External")
    ),
    Row("dlxEnabled", FLAG, DUE, "groups of the directory are expanded", "nobody"),
    *(Row(f"abs{end}ServerUrl", ADDRESS, DUE, "photos are fetched here", "photos") for end in ("Internal", "External")),
    *_nowhere("a place is told for a network", "lisInternalUrl"),
    *_nowhere("phones get updates here", "updatesServerInternalUrl", "updatesServerExternalUrl"),
    Row("updatesServerEnabled", FLAG, DUE, "phones get updates", "nobody"),
    Row("organization", TEXT, DUE, "the name in invitations", "nobody"),
    *_nowhere("help is there", "helpdeskInternalUrl", "helpdeskExternalUrl"),
    *_nowhere("clients are there", "consoleDownloadInternalUrl", "consoleDownloadExternalUrl"),
    *_nowhere("response groups", "responseGroupServiceInternalURL", "responseGroupServiceExternalURL"),
    *_nowhere("their agents", "responseGroupServiceInternalAgentURL", "responseGroupServiceExternalAgentURL"),
    *_nowhere("numbers to dial in are listed here", "cwaInternalUri", "cwaExternalUri"),
    Row("ucLocationProfile", TEXT, DUE, "a dial plan of this name can be asked for", "client"),
    Row("ucPortRangeEnabled", FLAG, DUE, "the ports are read", "setting media_port_lowest"),
    *_ports(),
    Row("ucMinSipDynamicPort", PORT, DUE, "a client's own SIP, with the ports", "client"),
    Row("ucMaxSipDynamicPort", PORT, DUE, "a client's own SIP, with the ports", "client"),
    Row(
        "ucPC2PCAVEncryption",
        "SupportEncryption|RequireEncryption|DoNotSupportEncryption",
        DUE,
        "calls are encrypted",
        "setting media_encryption",
    ),
    Row("ucMaxVideoRateAllowed", "Hd720p-1.5M|VGA-600K|CIF-250K", DUE, "the best picture of a call", "client"),
    Row("qosEnabled", FLAG, DUE, "calls are reported", "nobody"),
    Row("enableInCallQoS", FLAG, DUE, "calls are reported while they last", "nobody"),
    Row("inCallQoSIntervalSeconds", NUMBER, DUE, "how often, if they are", "client"),
    Row("ucDiffServVoice", NUMBER, DUE, "packets of a call are marked", "client"),
    Row("ucVoice802_1p", NUMBER, DUE, "frames of a call are marked", "client"),
    Row("ucEnforcePinLock", FLAG, DUE, "phones are locked", "client"),
    Row("ucMinPinLength", NUMBER, DUE, "phones are locked", "client"),
    Row("ucPhoneTimeOut", NUMBER, DUE, "phones are locked", "client"),
    Row("ucExchangeMWIPoll", NUMBER, DUE, "phones ask Exchange", "client"),
    Row("ucEnableSIPSecurityMode", "High|Medium|Low", DUE, "SIP goes over TLS and is signed", "client"),
    Row("ucEnableUserLogging", FLAG, DUE, "clients write logs", "setting client_logging"),
    Row("loggingLevel", "Off|Low|Medium|High", DUE, "clients write logs", "setting client_logging"),
    Row("enableBWPolicyCheck", FLAG, DUE, "bandwidth is asked for before calls", "nobody"),
    *(
        Row(name, r"sip:\S+", FREE, "a role that is not installed", "nobody")
        for name in ("poolUri", "mrasUri", "qosUri", "callParkServerUri", "botSipUriForTestCall", "voiceMailUri")
    ),
    Row("focusFactoryUri", r"sip:\S+", FREE, "conferences are made here; conferencing tells it", "nobody"),
)

USER: Final = (
    Row("disableFileTransfer", FLAG, DUE, "files are sent to one another", "setting file_transfer"),
    Row("ucUserLocationProfile", TEXT, DUE, "a dial plan of this name can be asked for", "client"),
    Row("commonAreaPhone", FLAG, FREE, "this is nobody's own phone", "nobody"),
)

MEETING: Final = (
    Row("AllowIPAudio", FLAG, FREE, "meetings have sound", "mcu audio-video"),
    Row("AllowIPVideo", FLAG, FREE, "meetings have pictures", "mcu audio-video"),
    Row("MaxConferenceVideoResolution", "VGA|CIF", FREE, "their size", "mcu audio-video"),
    Row("EnableP2PVideo", FLAG, FREE, "two see each other", "setting video"),
    Row("EnableP2PFileTransfer", FLAG, FREE, "two send each other files", "setting file_transfer"),
    Row("EnableP2PRecording", FLAG, FREE, "calls are recorded", "nobody"),
    Row("EnableAppDesktopSharing", LEVEL, FREE, "two show each other screens", "setting desktop_sharing"),
    Row("AllowedAppDesktopSharingLevel", LEVEL, FREE, "two show each other screens", "setting desktop_sharing"),
    Row("AllowParticipantControl", FLAG, FREE, "and let the other work there", "setting desktop_sharing"),
    Row("AllowAppSharingForExternalMeeting", LEVEL, FREE, "meetings have screens", "mcu applicationsharing"),
    Row("AllowUserToScheduleMeetingsWithAppSharing", FLAG, FREE, "meetings have screens", "mcu applicationsharing"),
    Row("AllowExternalUserControl", FLAG, FREE, "strangers work on a screen", "nobody"),
    Row("EnableDataCollaboration", FLAG, FREE, "meetings have slides and whiteboards", "nobody"),
    Row("AllowPolls", FLAG, FREE, "meetings have polls", "nobody"),
    Row("AllowAnnotations", FLAG, FREE, "slides are written on", "nobody"),
    Row("AllowFileTransfer", FLAG, FREE, "meetings have files", "nobody"),
    Row("AllowRecording", FLAG, FREE, "meetings are recorded", "nobody"),
    Row("EnablePstnConferencing", FLAG, FREE, "meetings have numbers", "nobody"),
    Row("AllowAnonymousParticipants", FLAG, FREE, "meetings have guests", "policy anonymous_participants"),
    Row("MeetingSize", NUMBER, FREE, "so many get in", "policy meeting_size"),
    *(
        Row(f"{what}BitRate", NUMBER, FREE, "a client sends no faster", "client")
        for what in ("Audio", "Video", "AppSharing", "FileTransfer")
    ),
)

UC: Final = (
    Row("Name", TEXT, FREE, "the policy's name", "client"),
    Row("EnableCallTransfer", FLAG, FREE, "a call is handed over, from client to client", "client"),
    *(
        Row(name, FLAG, FREE, "telephony", "nobody")
        for name in (
            "AllowSimultaneousRinging",
            "AllowCallForwarding",
            "EnableCallPark",
            "EnableTeamCall",
            "EnableDelegation",
            "EnableBWPolicyOverride",
            "EnableMaliciousCallTrace",
        )
    ),
)

ENDPOINT: Final = (
    Row("AbsUsage", "WebSearchOnly", FREE, "people are searched for over HTTPS", "book"),
    Row("ShowRecentContacts", FLAG, FREE, "a list of the client's own", "client"),
    Row("ShowManagePrivacyRelationships", FLAG, FREE, "contacts by level; containers are kept here", "client"),
    Row("MaxPhotoSizeKB", NUMBER, FREE, "no larger picture is published", "setting photo_size_kb"),
    Row("PhotoUsage", "NoPhoto|PhotosFromADOnly|AllPhotos", FREE, "pictures are shown", "setting photos"),
    Row("DisableMusicOnHold", FLAG, FREE, "who waits hears no music", "client"),
    Row("EnableTracing", FLAG, FREE, "clients write logs", "setting client_logging"),
    Row("EnableAppearOffline", FLAG, FREE, "one more state to publish", "client"),
    Row("EnableSQMData", FLAG, FREE, "Microsoft hears of it", "nobody"),
    Row("ExchangeContactStoreAllowed", FLAG, FREE, "contacts live in Exchange", "nobody"),
    Row("EnableContactSync", FLAG, FREE, "contacts are copied to Exchange", "nobody"),
    Row("SearchPrefixFlags", NUMBER, FREE, "what the client's own search looks at", "client"),
    Row("P2PAppSharingEncryption", "[0-2]", FREE, "screens are encrypted where both can", "client"),
    Row("MaximumDGsAllowedInContactList", NUMBER, FREE, "groups of the directory as contacts", "nobody"),
    Row("DisableContactCardOrganizationTab", "true", FREE, "manager and reports are not shown", "client"),
)

PRESENCE: Final = (
    Row("EnablePrivacyMode", FLAG, FREE, "only contacts see the user", "policy privacy_mode"),
    Row("EnableLocationPrompt", FLAG, FREE, "a place is asked for", "nobody"),
    Row("AutoInitiateContacts", FLAG, FREE, "colleagues are proposed", "client"),
    Row("PublishLocationDataDefault", FLAG, FREE, "a place is published", "client"),
    Row("DisplayPublishedPhotoDefault", FLAG, FREE, "pictures are shown", "client"),
    Row("PersonalNoteHistoryDepth", NUMBER, FREE, "notes are offered again", "setting notes_remembered"),
)

TABLE: Final[Mapping[str, tuple[Row, ...]]] = {
    "ServerConfiguration": SERVER,
    "userSetting": USER,
    "meetingPolicy": MEETING,
    "ucPolicy": UC,
    "endpointConfiguration": ENDPOINT,
    "presencePolicyV2": PRESENCE,
    "locationPolicy": (
        Row("EnhancedEmergencyServicesEnabled", FLAG, FREE, "emergency calls", "nobody"),
        Row("LocationRequired", "no|yes|disclaimer", FREE, "a place is asked for", "nobody"),
    ),
    "mediaConfiguration": (
        Row("bypassEnabled", FLAG, FREE, "a mediation server is gone round", "nobody"),
        Row("internalBypassMode", "Off|Any|UseCallAdmissionControl", FREE, "the same", "nobody"),
        Row("externalBypassMode", "Off|Any", FREE, "the same", "nobody"),
    ),
    "mobilityPolicy": (
        Row("EnableMobility", FLAG, FREE, "phones have a server of theirs", "nobody"),
        Row("EnableOutsideVoice", FLAG, FREE, "and call through it", "nobody"),
    ),
    "persistentChatConfiguration": (Row("EnablePersistentChat", FLAG, FREE, "there are lasting rooms", "nobody"),),
    "publicProviders": (),
}

EVERY: Final = [pytest.param(group, row, id=f"{group}-{row.name}") for group, rows in TABLE.items() for row in rows]

DENIALS: Final = ("", "false", "None", "no", "Off", "0", "absent")
"""Values that promise nothing; the last stands for an element that is not there."""

OTHERS: Final[Mapping[str, object]] = {
    "media_encryption": "RequireEncryption",
    "media_port_lowest": 50_000,
    "media_port_highest": 50_099,
    "video": False,
    "file_transfer": False,
    "desktop_sharing": False,
    "photos": "NoPhoto",
    "photo_size_kb": 10,
    "notes_remembered": 5,
    "client_logging": True,
}
"""Another value of each setting."""

PORTS: Final = {"media_port_lowest": 49_000, "media_port_highest": 60_000}


@implementer(IPolicies)
class OnePolicy:
    """The same for everybody."""

    def __init__(self, **may: Any) -> None:  # Any: the fields of Policy
        self.policy = Policy(**may)

    def policy_of(self, aor: Aor) -> Policy:
        """Give it."""
        return self.policy


def told(
    group: str, settings: Mapping[str, object] | None = None, may: Mapping[str, object] | None = None, **there: Any
) -> list[tuple[str, str]]:
    """Give the names and values of a group as a client reads them; Any: what `provisions` takes besides."""
    made = provisions(
        Settings.model_validate(dict(settings or {})),
        OnePolicy(**(may or {})),
        **({"mcus": ("chat",), "search_url": BOOK, "photos_url": PHOTOS} | there),
    )
    # Dial plans are told by who has them.
    plans = Routes(DialPlans(VoiceSettings(), scopes_of(FewPeople(())))).provisions()
    (root,) = tree(write_groups([group], [*made, *plans], ALICE))
    if group in ("ServerConfiguration", "userSetting", "publicProviders"):
        return [(element.tag, element.text or "") for element in root]
    layout = "instance" if group in ("meetingPolicy", "ucPolicy") else "propertyEntryList"
    (inner,) = root
    assert inner.tag == layout
    return [(element.get("name"), element.text or "") for element in inner]


def value(group: str, name: str, *args: Any, **there: Any) -> str:  # Any: as for `told`
    """Give what is told of one element."""
    return dict(told(group, *args, **there)).get(name, "absent")


SITUATIONS: Final = [
    pytest.param({}, {}, id="as it comes"),
    pytest.param(OTHERS, {}, id="everything otherwise"),
    pytest.param({}, {"search_url": "", "photos_url": ""}, id="without an address book"),
    pytest.param({}, {"mcus": ("chat", "audio-video", "applicationsharing")}, id="with all media"),
    pytest.param({}, {"mcus": (), "guests": False}, id="without conferences"),
]


@pytest.mark.parametrize("group", TABLE)
@pytest.mark.parametrize(("settings", "there"), SITUATIONS)
def test_a_group_holds_what_is_due_once_and_nothing_that_is_not_known(
    group: str, settings: Mapping[str, object], there: Mapping[str, Any]
) -> None:
    """Each value is of its element's type, whatever the settings are and whatever runs here."""
    found = told(group, settings, **there)
    rows = {row.name: row for row in TABLE[group]}
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    assert {row.name for row in rows.values() if row.is_due} <= set(names) <= set(rows)
    assert not [(name, text) for name, text in found if re.fullmatch(rows[name].type, text) is None]


def test_every_group_is_in_the_table() -> None:
    """But the grammars of presence, which have tests of their own."""
    made = {one.group for one in provisions(Settings(), OnePolicy())}
    assert made - {"publicationGrammar", "privacyPublicationGrammar"} == set(TABLE)


@pytest.mark.parametrize(("group", "row"), EVERY)
def test_a_promise_is_kept(group: str, row: Row) -> None:
    """By what the table names; take it away and the promise is gone."""
    kind, _, what = row.keeper.partition(" ")
    usual = value(group, row.name)
    if kind == "setting":
        settings: dict[str, object] = {what: OTHERS[what]}
        if what in PORTS:
            settings = {**PORTS, **settings}
        assert value(group, row.name, settings) != usual
    elif kind == "policy":
        other = {"anonymous_participants": False, "meeting_size": 12, "privacy_mode": True}[what]
        assert value(group, row.name, None, {what: other}) != usual
    elif kind == "mcu":
        assert usual in DENIALS
        assert value(group, row.name, mcus=("chat", what)) not in DENIALS
    elif kind == "book":
        assert usual not in DENIALS
        assert value(group, row.name, search_url="") in DENIALS
    elif kind == "photos":
        assert usual not in DENIALS
        assert value(group, row.name, photos_url="") in DENIALS
    elif kind == "nobody":
        assert {usual, value(group, row.name, OTHERS)} <= set(DENIALS)
    else:
        assert kind == "client"
        assert usual == value(group, row.name, OTHERS) != "absent"


@pytest.mark.parametrize(
    ("setting", "name"), [("video", "AllowIPVideo"), ("desktop_sharing", "AllowAppSharingForExternalMeeting")]
)
def test_what_is_forbidden_is_not_promised_for_meetings_either(setting: str, name: str) -> None:
    """An MCU could carry it, and the administrator does not want it."""
    mcus = ("chat", "audio-video", "applicationsharing")
    assert value("meetingPolicy", name, {setting: False}, mcus=mcus) in DENIALS
