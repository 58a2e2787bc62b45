"""The groups that no other workload provides ([MS-SIPREGE] 2.2.2.5).

A group has one of three layouts, as the specification gives it: elements named for their
values, properties of one instance, or properties in a list.
"""

from collections.abc import Callable, Mapping
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

Values = Mapping[str, str]
Layout = Callable[[Values], str]


def provisions(
    settings: Settings, policies: IPolicies, *, guests: bool = True, search_url: str = ""
) -> tuple[Provision, ...]:
    """Give every group that is ours, each rendered once; what a user's policy decides once for each that there is.

    Args:
        settings: What an administrator says of clients.
        policies: What users may.
        guests: Whether meetings may have guests at all.
        search_url: Where clients search for people over HTTPS; "": nowhere.
    """
    ours = _ours(settings, search_url)
    meetings = settings.entries.get(_MEETING, {})

    @cache
    def meeting(size: int, anonymous: bool) -> str:
        return _instance(_meeting(settings, size, guests=anonymous) | meetings)

    def meeting_of(aor: Aor) -> str:
        policy: Policy = policies.policy_of(aor)
        return meeting(policy.meeting_size, guests and policy.anonymous_participants)

    presence = {
        private: _listed(_presence(settings, private=private) | settings.entries.get(_PRESENCE, {}))
        for private in (False, True)
    }
    groups = {name: ours.get(name, {}) | settings.entries.get(name, {}) for name in (*ours, *settings.entries)}
    for decided in (_PRESENCE, _MEETING):
        groups.pop(decided, None)
    return (
        *(_constant(name, _LAYOUTS.get(name, _listed)(values)) for name, values in groups.items()),
        Provision(_PRESENCE, lambda aor: presence[policies.policy_of(aor).privacy_mode]),
        Provision(_MEETING, meeting_of),
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
    "ucPolicy": _instance,
}
"""Every other group is a list of properties, also one that an administrator invents."""


def _ours(settings: Settings, search_url: str) -> dict[str, dict[str, str]]:
    return {
        "ServerConfiguration": _server(settings, search_url),
        "endpointConfiguration": _endpoint(settings) | _search(search_url),
        "ucPolicy": {
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


def _server(settings: Settings, search_url: str) -> dict[str, str]:
    """Say how to reach and use the server.

    Only addresses that answer stand here, and what an administrator writes into `entries`: a
    client goes to every address it is given, and waits. The address book is told by either of its names, since clients
    look for one or the other; groups are not expanded there. Without `ucPC2PCAVEncryption` a
    client takes encryption for required; a range of ports is read only when it is whole.
    """
    low, high = str(settings.media_port_lowest), str(settings.media_port_highest)
    ranged = settings.media_port_lowest > 0
    ports = {f"uc{end}{kind}Port": port for kind in _PORT_KINDS for end, port in (("Min", low), ("Max", high))}
    return {
        "absWebServiceEnabled": _flag(bool(search_url)),
        **{name: search_url for name in _SEARCH_NAMES if search_url},
        "dlxEnabled": "false",
        "updatesServerEnabled": "false",
        "ucPC2PCAVEncryption": settings.media_encryption,
        "ucMaxVideoRateAllowed": "Hd720p-1.5M",
        "ucPortRangeEnabled": _flag(ranged),
        **(ports if ranged else {}),
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
        "enableBWPolicyCheck": "false",
    }


_SEARCH_NAMES: Final = ("abwqInternalUrl", "abwqExternalUrl", "dlxInternalUrl", "dlxExternalUrl")
_PORT_KINDS: Final = ("Media", "Audio", "Video", "AppSharing", "FileTransfer")


def _endpoint(settings: Settings) -> dict[str, str]:
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
        "MaximumDGsAllowedInContactList": "0",
    }


def _meeting(settings: Settings, size: int, *, guests: bool) -> dict[str, str]:
    """Give the settings of the meetings that a user organises, for in-band provisioning."""
    sharing = "Desktop" if settings.desktop_sharing else "None"
    return {
        "AllowIPAudio": "true",
        "AllowIPVideo": _flag(settings.video),
        "EnableP2PVideo": _flag(settings.video),
        "EnableP2PFileTransfer": _flag(settings.file_transfer),
        "EnableP2PRecording": "false",
        "EnableAppDesktopSharing": sharing,
        "AllowedAppDesktopSharingLevel": sharing,
        "AllowAppSharingForExternalMeeting": sharing,
        "AllowParticipantControl": "true",
        "AllowExternalUserControl": "false",
        "EnableDataCollaboration": "false",
        "AllowPolls": "false",
        "AllowAnnotations": "false",
        "AllowFileTransfer": _flag(settings.file_transfer),
        "AllowRecording": "false",
        "AllowAnonymousParticipants": _flag(guests),
        "EnablePstnConferencing": "false",
        "MeetingSize": str(size),
        "AudioBitRate": "200",
        "VideoBitRate": "50000",
        "AppSharingBitRate": "50000",
        "FileTransferBitRate": "50000",
        "MaxConferenceVideoResolution": "VGA",
    }


def _flag(truth: bool) -> str:
    return "true" if truth else "false"
