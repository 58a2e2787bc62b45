"""What a real client asks for, as requests of a `Caller`, unsigned: one function for each kind of question.

`more` goes to `Caller.request` as it is; hence its type.
"""

from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from lyncpy.sip.message import Request
from tests.kit.caller import Caller

SDP: Final = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip null\r\n"
)

PUBLISH: Final = "application/msrtc-category-publish+xml"
MEMBERS: Final = "application/msrtc-setcontainermembers+xml"
SUBSCRIBERS: Final = "application/msrtc-presence-setsubscriber+xml"
DELEGATES: Final = "application/msrtc-setdelegates+xml"
ROAMING: Final = "application/vnd-microsoft-roaming-self+xml"
BATCH: Final = "application/msrtc-adrl-categorylist+xml"
OLD_LIST: Final = "application/adrl+xml"
GROUPS: Final = "application/vnd-microsoft-roaming-provisioning-v2+xml"
SOAP: Final = "application/SOAP+xml"
C3P: Final = "application/cccp+xml"

_PIGGYBACK: Final = ("Supported", "ms-benotify, ms-piggyback-first-notify, com.microsoft.autoextend")


def soap(caller: Caller, operation: str, inner: str, **more: Any) -> Request:
    """Change the contact list."""
    body = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        f'<m:{operation} xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">{inner}</m:{operation}>'
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return caller.request("SERVICE", content_type=SOAP, body=body.encode(), **more)


def set_contact(caller: Caller, address: str, name: str = "", groups: str = "1", **more: Any) -> Request:
    """Add or change a contact."""
    inner = (
        f"<m:displayName>{escape(name)}</m:displayName><m:groups>{groups}</m:groups><m:subscribed>true</m:subscribed>"
        f"<m:URI>sip:{escape(address)}</m:URI><m:externalURI/>"
    )
    return soap(caller, "setContact", inner, **more)


def add_group(caller: Caller, name: str, **more: Any) -> Request:
    """Add a group."""
    return soap(caller, "addGroup", f"<m:name>{escape(name)}</m:name><m:externalURI/>", **more)


def note(
    caller: Caller, text: str, version: int = 0, *, container: int = 200, uri: str = "", instance: int = 0, **more: Any
) -> Request:
    """Publish a note that stays."""
    inner = (
        '<note xmlns="http://schemas.microsoft.com/2006/09/sip/note">'
        f'<body type="personal" uri="">{escape(text)}</body></note>'
    )
    return publish(caller, "note", inner, version, container=container, uri=uri, instance=instance, **more)


def publish(
    caller: Caller,
    category: str,
    inner: str,
    version: int = 0,
    *,
    container: int = 2,
    uri: str = "",
    instance: int = 0,
    expire: str = "static",
    **more: Any,
) -> Request:
    """Publish one category."""
    body = (
        '<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">'
        f"<publications uri={quoteattr(uri or caller.aor)}>"
        f'<publication categoryName="{category}" instance="{instance}" container="{container}" version="{version}"'
        f' expireType="{expire}">{inner}</publication></publications></publish>'
    )
    return caller.request("SERVICE", content_type=PUBLISH, body=body.encode(), **more)


def members(caller: Caller, address: str, **more: Any) -> Request:
    """Put somebody into the container of colleagues."""
    body = (
        '<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">'
        f'<container id="200" version="0"><member action="add" type="user" value={quoteattr(address)}/></container>'
        "</setContainerMembers>"
    )
    return caller.request("SERVICE", content_type=MEMBERS, body=body.encode(), **more)


def subscribers(caller: Caller, address: str, **more: Any) -> Request:
    """Acknowledge a watcher."""
    body = (
        '<setSubscribers xmlns="http://schemas.microsoft.com/2006/09/sip/presence-subscribers">'
        f'<subscriber user={quoteattr(address)} acknowledged="true"/></setSubscribers>'
    )
    return caller.request("SERVICE", content_type=SUBSCRIBERS, body=body.encode(), **more)


def delegates(caller: Caller, address: str, **more: Any) -> Request:
    """Let somebody act for the user."""
    body = (
        '<setDelegates xmlns="http://schemas.microsoft.com/2007/09/sip/delegate-management" version="0">'
        f'<setDelegate uri={quoteattr(address)} action="add"><publishOperation authorization="allow"/></setDelegate>'
        "</setDelegates>"
    )
    return caller.request("SERVICE", content_type=DELEGATES, body=body.encode(), **more)


def roaming_self(caller: Caller, **more: Any) -> Request:
    """Subscribe to one's own board."""
    body = (
        b'<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><roaming type="categories"/>'
        b'<roaming type="containers"/><roaming type="subscribers"/></roamingList>'
    )
    headers = [("Event", "vnd-microsoft-roaming-self"), _PIGGYBACK]
    return caller.request("SUBSCRIBE", headers=headers, content_type=ROAMING, body=body, **more)


def contacts(caller: Caller, **more: Any) -> Request:
    """Subscribe to one's own contact list."""
    headers = [("Event", "vnd-microsoft-roaming-contacts"), _PIGGYBACK]
    return caller.request("SUBSCRIBE", headers=headers, **more)


def watch(caller: Caller, *addresses: str, **more: Any) -> Request:
    """Watch people in one batch."""
    listed = "".join(f"<resource uri={quoteattr('sip:' + address)}/>" for address in addresses)
    body = (
        f'<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri={quoteattr(caller.aor)} name="">'
        f'<action name="subscribe" id="1"><adhocList>{listed}</adhocList><categoryList>'
        '<category name="state"/><category name="note"/><category name="contactCard"/></categoryList></action></batchSub>'
    )
    headers = [("Event", "presence"), _PIGGYBACK, ("Require", "adhoclist, categoryList")]
    return caller.request("SUBSCRIBE", headers=headers, content_type=BATCH, body=body.encode(), **more)


def old_watch(caller: Caller, *addresses: str, **more: Any) -> Request:
    """Watch people as clients did before 2007."""
    listed = "".join(f"<resource uri={quoteattr('sip:' + address)}/>" for address in addresses)
    body = (
        f'<adhoclist xmlns="urn:ietf:params:xml:ns:adrl" uri={quoteattr(caller.aor)} name="">'
        f'<create xmlns="">{listed}</create></adhoclist>'
    )
    headers = [("Event", "presence"), _PIGGYBACK, ("Require", "adhoclist")]
    return caller.request("SUBSCRIBE", headers=headers, content_type=OLD_LIST, body=body.encode(), **more)


def set_presence(caller: Caller, **more: Any) -> Request:
    """Set one's presence as clients did before 2007."""
    inner = '<m:presentity><m:availability m:aggregate="300"/><m:activity m:aggregate="400"/></m:presentity>'
    return soap(caller, "setPresence", inner, **more)


def get_presence(caller: Caller, address: str, **more: Any) -> Request:
    """Ask for somebody's presence as clients did before 2007."""
    return soap(caller, "getPresence", f"<m:presentity m:uri={quoteattr('sip:' + address)}/>", **more)


def set_right(caller: Caller, address: str, rights: str = "AA", **more: Any) -> Request:
    """Answer for a watcher as clients did before 2007."""
    inner = f"<m:type>USER</m:type><m:mask>sip:{escape(address)}</m:mask><m:rights>{rights}</m:rights>"
    return soap(caller, "setACE", inner, **more)


def groups(caller: Caller, **more: Any) -> Request:
    """Ask for provisioning."""
    body = (
        b'<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">'
        b'<provisioningGroup name="ServerConfiguration"/><provisioningGroup name="ucPolicy"/></provisioningGroupList>'
    )
    headers = [("Event", "vnd-microsoft-provisioning-v2"), ("Expires", "0"), _PIGGYBACK]
    return caller.request("SUBSCRIBE", headers=headers, content_type=GROUPS, body=body, **more)


def capabilities(caller: Caller) -> Request:
    """Ask the focus factory what it can do."""
    focus = f"{caller.aor};gruu;opaque=app:conf:focusfactory"
    body = (
        f'<request xmlns="urn:ietf:params:xml:ns:cccp" C3PVersion="1" requestId="1" from="{caller.aor}" to="{focus}">'
        "<getConferencingCapabilities/></request>"
    )
    return caller.request("SERVICE", focus, content_type=C3P, body=body.encode())


def search(caller: Caller, value: str) -> Request:
    """Look for somebody in the directory."""
    body = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        '<m:directorySearch xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><m:filter m:href="#searchArray"/>'
        "<m:maxResults>100</m:maxResults></m:directorySearch>"
        f'<m:Array xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip" m:id="searchArray">'
        f'<m:row m:attrib="givenName" m:value={quoteattr(value)}/></m:Array></SOAP-ENV:Body></SOAP-ENV:Envelope>'
    )
    return caller.request("SERVICE", content_type=SOAP, body=body.encode())


def invite(caller: Caller, address: str, **more: Any) -> Request:
    """Invite somebody to talk."""
    return caller.request("INVITE", f"sip:{address}", content_type="application/sdp", body=SDP, **more)


def page(caller: Caller, address: str, text: str = "hello", **more: Any) -> Request:
    """Send a message without a session."""
    return caller.request("MESSAGE", f"sip:{address}", content_type="text/plain", body=text.encode(), **more)


def all_of(caller: Caller, address: str) -> tuple[Request, ...]:
    """Give one request of each kind, about `address` where there is somebody else."""
    return (
        caller.register(),
        caller.request("OPTIONS", "sip:" + caller.aor.partition("@")[2]),
        set_contact(caller, address, "A name"),
        add_group(caller, "A group"),
        note(caller, "a note"),
        members(caller, address),
        subscribers(caller, address),
        roaming_self(caller),
        contacts(caller),
        watch(caller, address, address),
        groups(caller),
        capabilities(caller),
        search(caller, "bob"),
        invite(caller, address),
        page(caller, address),
        caller.request("BYE", f"sip:{address}", to=f"<sip:{address}>;tag=x"),
        caller.request("NOTIFY", f"sip:{address}", headers=[("Event", "presence")]),
        caller.request("INFO", f"sip:{address}", to=f"<sip:{address}>;tag=x"),
        caller.request("CANCEL", f"sip:{address}"),
        caller.request("ACK", f"sip:{address}"),
    )
