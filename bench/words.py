"""What the clients of the benchmark say: the documents of a sign-in and of a publication."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lyncpy.sip.markup import attr, local, read_xml

EVENTS: Final[Mapping[str, str]] = {
    "vnd-microsoft-provisioning-v2": "application/vnd-microsoft-roaming-provisioning-v2+xml",
    "vnd-microsoft-roaming-contacts": "application/vnd-microsoft-roaming-contacts+xml",
    "vnd-microsoft-roaming-self": "application/vnd-microsoft-roaming-self+xml",
    "presence": "application/msrtc-adrl-categorylist+xml",
}
"""What a client subscribes to when it signs in → the media type of what it sends along."""

SOAP_TYPE: Final = "application/SOAP+xml"
PUBLISH_TYPE: Final = "application/msrtc-category-publish+xml"

PROVISIONING: Final = (
    '<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">'
    '<provisioningGroup name="ServerConfiguration"/><provisioningGroup name="meetingPolicy"/>'
    '<provisioningGroup name="ucPolicy"/><provisioningGroup name="userSetting"/>'
    "</provisioningGroupList>"
)

ROAMING: Final = (
    '<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self">'
    '<roaming type="categories"/><roaming type="containers"/><roaming type="subscribers"/></roamingList>'
)

USER_INSTANCE: Final = 0x20000000


def watch(owner: str, uris: Iterable[str]) -> str:
    """Write a batch of people to watch."""
    resources = "".join(f'<resource uri="{uri}"/>' for uri in uris)
    names = "".join(f'<category name="{name}"/>' for name in ("calendarData", "contactCard", "note", "state"))
    return (
        f'<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="{owner}" name="">'
        f'<action name="subscribe" id="63792024"><adhocList>{resources}</adhocList>'
        f'<categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist">{names}</categoryList>'
        "</action></batchSub>"
    )


Versions = dict[tuple[str, int, int], int]
"""Category, instance and container → the version that the server has."""

_VERSION: Final = re.compile(
    rb'<category name="(state|device)" instance="(\d+)"[^>]* container="(\d+)" version="(\d+)"'
)


def versions(body: bytes) -> Versions:
    """Read which versions of a user's own publications the server has, out of what it tells a roaming device."""
    return {(one[1].decode(), int(one[2]), int(one[3])): int(one[4]) for one in _VERSION.finditer(body)}


def publish(uri: str, machine: int, availability: int, versions: Versions, *, device: bool) -> str:
    """Write what a client publishes when its user's state changes; with its device at sign-in.

    Each version of what is written grows by one.
    """

    def publication(category: str, instance: int, container: int, expire: str, value: str) -> str:
        version = versions.get((category, instance, container), 0)
        versions[category, instance, container] = version + 1
        return (
            f'<publication categoryName="{category}" instance="{instance}" container="{container}" '
            f'version="{version}" expireType="{expire}">{value}</publication>'
        )

    states = "".join(
        publication("state", instance, container, expire, _state(kind, availability, manual=manual))
        for kind, instance, expire, manual in (
            ("machineState", machine, "endpoint", False),
            ("userState", USER_INSTANCE, "static", True),
        )
        for container in (2, 3)
    )
    first = publication("device", machine, 2, "endpoint", _device(uri)) if device else ""
    return (
        '<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">'
        f'<publications uri="{uri}">{first}{states}</publications></publish>'
    )


def contact(address: str, name: str) -> str:
    """Write the SOAP that adds a contact."""
    return (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        '<m:setContact xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">'
        f"<m:displayName>{name}</m:displayName><m:groups>1</m:groups><m:subscribed>true</m:subscribed>"
        f"<m:URI>{address}</m:URI><m:externalURI/></m:setContact></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


def told(body: bytes) -> tuple[str, int]:
    """Give of whom a notification speaks, and how available he is; 0 when it does not say."""
    document = read_xml(body)
    found = next((element.text for element in document.walk() if local(element) == "availability"), None)
    return attr(document, "uri") or "", int(found or 0)


def _state(kind: str, availability: int, *, manual: bool) -> str:
    return (
        f'<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" manual="{str(manual).lower()}"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}">'
        f"<availability>{availability}</availability><endpointLocation/></state>"
    )


def _device(uri: str) -> str:
    return (
        '<device xmlns="http://schemas.microsoft.com/2006/09/sip/device" endpointId="4b1682a8-f968-5701-83fc-7c6741dc6697">'
        f'<capabilities preferred="false" uri="{uri}"><text capture="true" render="true" publish="false"/></capabilities>'
        "<timezone>01:00:00</timezone><machineName>PC</machineName></device>"
    )
