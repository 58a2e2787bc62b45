"""What the clients of the benchmark say: the documents of a sign-in and of a publication."""

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


def publish(uri: str, machine: int, availability: int, version: int, *, device: bool) -> str:
    """Write what a client publishes when its user's state changes; with its device at sign-in."""
    states = "".join(
        _publication("state", instance, container, expire, version, _state(kind, availability, manual=manual))
        for kind, instance, expire, manual in (
            ("machineState", machine, "endpoint", False),
            ("userState", USER_INSTANCE, "static", True),
        )
        for container in (2, 3)
    )
    first = _publication("device", machine, 2, "endpoint", version, _device(uri)) if device else ""
    return (
        '<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">'
        f'<publications uri="{uri}">{first}{states}</publications></publish>'
    )


def told(body: bytes) -> tuple[str, int]:
    """Give of whom a notification speaks, and how available he is; 0 when it does not say."""
    document = read_xml(body)
    found = next((element.text for element in document.walk() if local(element) == "availability"), None)
    return attr(document, "uri") or "", int(found or 0)


def _publication(category: str, instance: int, container: int, expire: str, version: int, value: str) -> str:
    return (
        f'<publication categoryName="{category}" instance="{instance}" container="{container}" version="{version}"'
        f' expireType="{expire}">{value}</publication>'
    )


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
