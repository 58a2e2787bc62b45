"""The groups that no other workload provides ([MS-SIPREGE] 2.2.2.5).

A group has one of three layouts, as the specification gives it: elements named for their
values, properties of one instance, or properties in a list.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.workload import Provision
from lyncpy.sip.markup import escape, quote_attr
from lyncpy.workloads.provisioning.grammar import PRIVACY_PUBLICATION_GRAMMAR, PUBLICATION_GRAMMAR
from lyncpy.workloads.provisioning.settings import Settings

_PRESENCE: Final = "presencePolicyV2"
_MEETING: Final = "meetingPolicy"
_CALLS: Final = "ucPolicy"

Values = Mapping[str, str]
Layout = Callable[[Values], str]


def provisions(
    settings: Settings,
    policies: IPolicies,
    *,
    mcus: Collection[str] = (),
    guests: bool = True,
    search_url: str = "",
    photos_url: str = "",
    calls: Callable[[Aor], Values] | None = None,
) -> tuple[Provision, ...]:
    """Give every group that is ours, each rendered once; what a user's policy decides once for each that there is.

    Args:
        settings: What an administrator says of clients.
        policies: What users may.
        mcus: Types of MCU that meetings have; what none of them carries is not promised.
        guests: Whether meetings may have guests at all.
        search_url: Where clients search for people over HTTPS; "": nowhere.
        photos_url: Where they get photos; "": nowhere.
        calls: Gives which rules for calls a user may set, by the names of the group; None: none.
    """
    ours = _ours(settings, search_url, photos_url)
    meetings = settings.entries.get(_MEETING, {})

    @cache
    def meeting(size: int, anonymous: bool) -> str:
        return _instance(_meeting(settings, size, mcus, guests=anonymous) | meetings)

    def meeting_of(aor: Aor) -> str:
        policy: Policy = policies.policy_of(aor)
        return meeting(policy.meeting_size, guests and policy.anonymous_participants)

    @cache
    def calling(allowed: tuple[tuple[str, str], ...]) -> str:
        return _instance(ours[_CALLS] | dict(allowed) | settings.entries.get(_CALLS, {}))

    def calling_of(aor: Aor) -> str:
        return calling(() if calls is None else tuple(calls(aor).items()))

    presence = {
        private: _listed(_presence(settings, private=private) | settings.entries.get(_PRESENCE, {}))
        for private in (False, True)
    }
    groups = {name: ours.get(name, {}) | settings.entries.get(name, {}) for name in (*ours, *settings.entries)}
    for decided in (_PRESENCE, _MEETING, _CALLS):
        groups.pop(decided, None)
    return (
        *(_constant(name, _LAYOUTS.get(name, _listed)(values)) for name, values in groups.items()),
        Provision(_PRESENCE, lambda aor: presence[policies.policy_of(aor).privacy_mode]),
        Provision(_MEETING, meeting_of),
        Provision(_CALLS, calling_of),
        _constant("publicationGrammar", PUBLICATION_GRAMMAR),
        _constant("privacyPublicationGrammar", PRIVACY_PUBLICATION_GRAMMAR),
    )


def _constant(group: str, content: str) -> Provision:
    def write(aor: Aor) -> str:
        return content

    return Provision(group, write)


def _elements(values: Values) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _properties(values: Values) -> str:
    return "".join(f"<property name={quote_attr(name)}>{escape(value)}</property>" for name, value in values.items())


def _instance(values: Values) -> str:
    return f"<instance>{_properties(values)}</instance>"


def _listed(values: Values) -> str:
    return f"<propertyEntryList>{_properties(values)}</propertyEntryList>"


_LAYOUTS: Final[Mapping[str, Layout]] = {
    "ServerConfiguration": _elements,
    "userSetting": _elements,
    "publicProviders": _elements,
}
"""Every other group is a list of properties, also one that an administrator invents."""


def _ours(settings: Settings, search_url: str, photos_url: str) -> dict[str, dict[str, str]]:
    return {
        "ServerConfiguration": _server(settings, search_url, photos_url),
        "endpointConfiguration": _endpoint(settings, search_url) | _search(search_url),
        _CALLS: {
            "Name": "default",
            "AllowSimultaneousRinging": "false",
            "AllowCallForwarding": "false",
            "EnableCallTransfer": "true",
            "EnableCallPark": "false",
            "EnableTeamCall": "false",
            "EnableDelegation": "false",
            "EnableBWPolicyOverride": "false",
            "EnableMaliciousCallTrace": "false",
        },
        "userSetting": {"disableFileTransfer": _flag(not settings.file_transfer)},
        "locationPolicy": {"EnhancedEmergencyServicesEnabled": "false", "LocationRequired": "no"},
        "mediaConfiguration": {"bypassEnabled": "false", "internalBypassMode": "Off", "externalBypassMode": "Off"},
        "mobilityPolicy": {"EnableMobility": "false", "EnableOutsideVoice": "false"},
        "persistentChatConfiguration": {"EnablePersistentChat": "false"},
        "publicProviders": {},
    }


def _presence(settings: Settings, *, private: bool) -> dict[str, str]:
    """Say how a user is seen; with `EnablePrivacyMode` their client follows `privacyPublicationGrammar`."""
    return {
        "EnablePrivacyMode": _flag(private),
        "EnableLocationPrompt": "false",
        "AutoInitiateContacts": "true",
        "PublishLocationDataDefault": "true",
        "DisplayPublishedPhotoDefault": "true",
        "PersonalNoteHistoryDepth": str(settings.notes_remembered),
    }


def _search(url: str) -> dict[str, str]:
    """Say that people are searched for by asking, and not in a file of everybody, which nobody writes here."""
    return {"AbsUsage": "WebSearchOnly"} if url else {}


def _server(settings: Settings, search_url: str, photos_url: str) -> dict[str, str]:
    """Say how to reach and use the server; every element that is due is there (2.2.2.5.1).

    Only addresses that answer stand here, and what an administrator writes into `entries`: a
    client goes to every address it is given, and waits. The address of a web service that is not here is
    empty, as Lync Server has it; that of a server role which was never installed is not there at all. The address
    book is told by either of its names, since clients
    look for one or the other; groups are expanded at the same one. Without `ucPC2PCAVEncryption` a
    client takes encryption for required; a range of ports is read only when it is whole, and not
    unless `ucPortRangeEnabled` says so.
    """
    ranged = settings.media_port_lowest > 0
    lowest, highest = (settings.media_port_lowest, settings.media_port_highest) if ranged else _USUAL_PORTS
    low, high = str(lowest), str(highest)
    ports = {f"uc{end}{kind}Port": port for kind in _PORT_KINDS for end, port in (("Min", low), ("Max", high))}
    return {
        "absWebServiceEnabled": _flag(bool(search_url)),
        **dict.fromkeys(_SEARCH_NAMES, search_url),
        **dict.fromkeys(_PHOTO_NAMES, photos_url),
        **dict.fromkeys(_NOWHERE, ""),
        "dlxEnabled": _flag(_tells_groups(settings, search_url)),
        "updatesServerEnabled": "false",
        "ucPC2PCAVEncryption": settings.media_encryption,
        "ucMaxVideoRateAllowed": "Hd720p-1.5M",
        "ucPortRangeEnabled": _flag(ranged),
        **ports,
        "ucMinSipDynamicPort": "7100",
        "ucMaxSipDynamicPort": "7102",
        "ucEnableSIPSecurityMode": "High",
        "ucEnforcePinLock": "false",
        "ucMinPinLength": "6",
        "ucPhoneTimeOut": "10",
        "ucExchangeMWIPoll": "3",
        "ucVoice802_1p": "0",
        "ucDiffServVoice": "40",
        "ucEnableUserLogging": _flag(settings.client_logging),
        "loggingLevel": "Medium" if settings.client_logging else "Off",
        "qosEnabled": "false",
        "enableInCallQoS": "false",
        "inCallQoSIntervalSeconds": "35",
        "enableBWPolicyCheck": "false",
    }


_SEARCH_NAMES: Final = ("abwqInternalUrl", "abwqExternalUrl", "dlxInternalUrl", "dlxExternalUrl")
_PHOTO_NAMES: Final = ("absInternalServerUrl", "absExternalServerUrl")
"""Files of everybody would be here too; clients are told not to fetch them (`AbsUsage`)."""

_NOWHERE: Final = (
    *(
        f"{service}{end}Url"
        for service in ("updatesServer", "helpdesk", "consoleDownload")
        for end in ("Internal", "External")
    ),
    *(f"responseGroupService{end}{kind}" for end in ("Internal", "External") for kind in ("URL", "AgentURL")),
    *(f"cwa{end}Uri" for end in ("Internal", "External")),
    "lisInternalUrl",
    "organization",
)
"""What is due in ServerConfiguration, and has nothing to say here."""

_USUAL_PORTS: Final = (5_350, 5_389)
"""Those of Lync Server, which no client reads while ports are its own choice."""

_PORT_KINDS: Final = ("Media", "Audio", "Video", "AppSharing", "FileTransfer")


def _tells_groups(settings: Settings, search_url: str) -> bool:
    """Tell whether clients may ask who is in a group."""
    return bool(search_url and settings.groups_in_contacts)


def _endpoint(settings: Settings, search_url: str) -> dict[str, str]:
    groups = settings.groups_in_contacts if _tells_groups(settings, search_url) else 0
    return {
        "ShowRecentContacts": "true",
        "ShowManagePrivacyRelationships": "true",
        "MaxPhotoSizeKB": str(settings.photo_size_kb),
        "PhotoUsage": settings.photos,
        "DisableMusicOnHold": "true",
        "EnableTracing": _flag(settings.client_logging),
        "EnableAppearOffline": "true",
        "EnableSQMData": "false",
        # Contacts live here and not in Exchange; a client that is told otherwise looks there.
        "ExchangeContactStoreAllowed": "false",
        "EnableContactSync": "false",
        "SearchPrefixFlags": "127",
        "P2PAppSharingEncryption": "0",
        "MaximumDGsAllowedInContactList": str(groups),
        # Who somebody's manager is, nobody can ask for here: the tab would be empty.
        "DisableContactCardOrganizationTab": "true",
    }


def _meeting(settings: Settings, size: int, mcus: Collection[str], *, guests: bool) -> dict[str, str]:
    """Give the settings of the meetings that a user organises, for in-band provisioning.

    What is named for two people (P2P), and the level of sharing, is theirs without a meeting too, and goes from
    client to client; the rest is promised where an MCU carries it.
    """
    sharing = "Desktop" if settings.desktop_sharing else "None"
    heard, shared = "audio-video" in mcus, "applicationsharing" in mcus
    return {
        "AllowIPAudio": _flag(heard),
        "AllowIPVideo": _flag(heard and settings.video),
        "EnableP2PVideo": _flag(settings.video),
        "EnableP2PFileTransfer": _flag(settings.file_transfer),
        "EnableP2PRecording": "false",
        "EnableAppDesktopSharing": sharing,
        "AllowedAppDesktopSharingLevel": sharing,
        "AllowAppSharingForExternalMeeting": sharing if shared else "None",
        "AllowUserToScheduleMeetingsWithAppSharing": _flag(shared and settings.desktop_sharing),
        "AllowParticipantControl": _flag(settings.desktop_sharing),
        "AllowExternalUserControl": "false",
        "EnableDataCollaboration": "false",
        "AllowPolls": "false",
        "AllowAnnotations": "false",
        "AllowFileTransfer": "false",
        "AllowRecording": "false",
        "AllowAnonymousParticipants": _flag(guests),
        "EnablePstnConferencing": "false",
        "MeetingSize": str(size),
        "AudioBitRate": "200",
        "VideoBitRate": "50000",
        "AppSharingBitRate": "50000",
        "FileTransferBitRate": "50000",
        **({"MaxConferenceVideoResolution": "VGA"} if heard else {}),
    }


def _flag(truth: bool) -> str:
    return "true" if truth else "false"
