"""What probes do at a server, step by step."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Any, Final
from uuid import uuid4

from lyncpy.app.probes import advice
from lyncpy.app.probes.device import SESSION, ProbeDevice, ProbeSession
from lyncpy.app.probes.enrollment import enrolled
from lyncpy.app.probes.kerberos_keys import KerberosKeys, ServiceTicket
from lyncpy.app.probes.keys import VERSION, ProbeKeys, ProbeScheme
from lyncpy.app.probes.outcome import ProbeFailed, ProbeStatus
from lyncpy.app.probes.tls_dsk import TlsDskKeys
from lyncpy.app.probes.web import basic, look_at_site
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.ntlm_client import NtlmClient
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, local, quote_attr, read_xml
from lyncpy.sip.message import Response
from lyncpy.sip.namespaces import INSTANCE_NS, PRESENCE_NS
from lyncpy.sip.soap import ENVELOPE_NS, REQUEST_NS
from lyncpy.sip.text import shown
from lyncpy.workloads.conferencing.bodies.conference_info import MSCI_NS
from lyncpy.workloads.webservices.model.addresses import CERTIFICATES

SOAP_TYPE: Final = "application/SOAP+xml"
PUBLISH_TYPE: Final = "application/msrtc-category-publish+xml"
BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"
C3P_TYPE: Final = "application/cccp+xml"

_CCCP: Final = "urn:ietf:params:xml:ns:cccp"
_INFO: Final = "urn:ietf:params:xml:ns:conference-info"


@dataclass(frozen=True, slots=True)
class ProbeAccount:
    """Somebody as whom a probe signs in."""

    address: str
    password: str = field(repr=False)
    """"": they have a Kerberos ticket."""

    login: str = ""
    """The name that the password is of; "": the address."""

    cache: str = ""
    """Where their Kerberos tickets are; "": where the system has them."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """Where a probe goes, and as whom."""

    place: tuple[str, int]
    account: ProbeAccount | None
    peer: ProbeAccount | None = None
    """The other of two; None: nobody was named."""

    search: str = ""
    """Whom to look for; "": the user themselves."""

    scheme: ProbeScheme = ProbeScheme.NTLM
    """How they prove themselves."""

    name: str = ""
    """That the server has; "": that of its place."""


Story = Callable[[ProbeSession, ProbePlan, Callable[[], float]], str]
"""Does what a client does, by this clock, and gives what was done in a sentence; raises ProbeFailed."""


def _device(
    session: ProbeSession, plan: ProbePlan, account: ProbeAccount | None, wall: Callable[[], float]
) -> ProbeDevice:
    """Sign somebody in."""
    if account is None:
        raise ProbeFailed(
            "nobody is named", "name who signs in with --user, or the other with --peer", ProbeStatus.UNKNOWN
        )
    device = ProbeDevice(session, plan.place, account.address)
    with session.step("signin"):
        offered = device.offered()
    # Of a certificate there are steps of their own.
    keys = _keys(session, account, _scheme(plan.scheme, account, offered), offered, wall)
    with session.step("signin"):
        device.sign_in(keys)
    return device


def _scheme(wanted: ProbeScheme, account: ProbeAccount, offered: Mapping[str, str]) -> ProbeScheme:
    """Choose as a client does."""
    if wanted is not ProbeScheme.AUTO:
        return wanted
    if not account.password:
        return ProbeScheme.KERBEROS
    return ProbeScheme.TLS_DSK if TlsDskKeys.scheme in offered else ProbeScheme.NTLM


def _keys(
    session: ProbeSession,
    account: ProbeAccount,
    scheme: ProbeScheme,
    offered: Mapping[str, str],
    wall: Callable[[], float],
) -> ProbeKeys:
    """Give what somebody proves themselves with; raises ProbeFailed."""
    if scheme is ProbeScheme.KERBEROS:
        return KerberosKeys(account.cache)
    if scheme is ProbeScheme.TLS_DSK:
        challenge = offered.get(TlsDskKeys.scheme)
        if challenge is None:
            raise advice.not_offered(TlsDskKeys.scheme, tuple(offered))
        service = re.search(r'sts-uri="([^"]*)"', challenge)
        place = "" if service is None else service[1]
        return TlsDskKeys(*enrolled(session, place, (account.address, account.login, account.password)))
    name = account.login or account.address
    domain, _, user = name.rpartition("\\")
    return NtlmClient(user, nt_hash(account.password), domain=domain, version=VERSION, wall=wall)


def _leave(session: ProbeSession) -> None:
    with session.step("signout"):
        for device in session.devices:
            device.sign_out()


def sign_in(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Sign in and out."""
    device = _device(session, plan, plan.account, wall)
    _leave(session)
    return f"{device.aor.removeprefix('sip:')} signed in by {device.scheme} and out"


def presence(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Watch somebody, have them publish, and see it."""
    watcher = _device(session, plan, plan.account, wall)
    publisher = _device(session, plan, plan.peer or plan.account, wall)
    with session.step("subscribe"):
        fields = [
            ("Event", "presence"),
            ("Accept", "application/msrtc-event-categories+xml, application/rlmi+xml, multipart/related"),
            ("Supported", "com.microsoft.autoextend, ms-benotify, ms-piggyback-first-notify, eventlist"),
            ("Proxy-Require", "ms-benotify"),
            ("Require", "adhoclist, categoryList"),
        ]
        watcher.demand(
            watcher.request("SUBSCRIBE", watcher.aor, fields, _batch(watcher.aor, publisher.aor), BATCH_TYPE)
        )
    with session.step("publish"):
        watcher.heard.clear()
        body = _publication(publisher.aor, 0x30000000 | randbelow(0x10000000))
        publisher.demand(publisher.request("SERVICE", publisher.aor, (), body, PUBLISH_TYPE))
    with session.step("notify"):
        session.until(lambda: any(_tells_of(one.body, publisher.aor) for one in watcher.heard), "the notification")
    _leave(session)
    return f"{watcher.aor.removeprefix('sip:')} saw that {publisher.aor.removeprefix('sip:')} is busy"


def im(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Say something to somebody else, who hears it."""
    caller, callee = _device(session, plan, plan.account, wall), _device(session, plan, plan.peer, wall)
    words = f"lyncpy probe {uuid4()}".encode()
    with session.step("invite"):
        dialog, _ = caller.invite(callee.aor, SESSION, "application/sdp")
    with session.step("message"):
        caller.within(dialog, "MESSAGE", words, "text/plain; charset=UTF-8")
        session.until(lambda: any(words in one.body for one in callee.heard), "the message")
    with session.step("bye"):
        caller.within(dialog, "BYE")
    _leave(session)
    return f"{callee.aor.removeprefix('sip:')} heard what {caller.aor.removeprefix('sip:')} said"


def conference(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Make a conference, join it, and delete it."""
    device = _device(session, plan, plan.account, wall)
    factory = f"{device.aor};gruu;opaque=app:conf:focusfactory"
    with session.step("create"):
        answer = _ask_c3p(device, factory, _adding())
        focus = _entity(answer)
    with session.step("join"):
        dialog, answer = device.invite(focus, _c3p(device.aor, focus, _joining(device.aor, focus)), C3P_TYPE)
        _success("addUser", answer)
        device.within(dialog, "BYE")
    with session.step("delete"):
        _ask_c3p(
            device, factory, f"<deleteConference><conferenceKeys confEntity={quote_attr(focus)}/></deleteConference>"
        )
    _leave(session)
    return f"{device.aor.removeprefix('sip:')} made, joined and deleted a conference"


def directory(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Look for somebody in the directory."""
    device = _device(session, plan, plan.account, wall)
    name, domain = device.aor.removeprefix("sip:").split("@", 1)
    wanted = plan.search or re.split(r"[._-]", name)[0]
    with session.step("search"):
        answer = device.demand(device.request("SERVICE", f"sip:{domain}", (), _search(wanted), SOAP_TYPE))
        found = _entries(answer)
    if not found:
        remedy = "name somebody who is there with --search; on the server: lyncpy ctl directory search TEXT"
        raise ProbeFailed(f'nobody is found by "{shown(wanted)}"', remedy)
    _leave(session)
    return f'{found} found by "{shown(wanted)}"'


def web(session: ProbeSession, plan: ProbePlan, wall: Callable[[], float]) -> str:
    """Ask the site whether the server works, and get a ticket for somebody, and a certificate where that is how they sign in."""
    account = plan.account
    if account is None:
        return look_at_site(session, plan.place, plan.name, "", "")
    proof = basic(account.login or account.address, account.password)
    if plan.scheme is ProbeScheme.KERBEROS or not account.password:
        ticket = ServiceTicket(f"HTTP@{plan.name or plan.place[0]}", account.cache, spnego=True)
        proof = f"Negotiate {base64.b64encode(ticket.token).decode()}"
    words = look_at_site(session, plan.place, plan.name, account.address, proof)
    if plan.scheme is not ProbeScheme.TLS_DSK:
        return words
    service = f"https://{plan.name or plan.place[0]}:{plan.place[1]}{CERTIFICATES}"
    enrolled(session, service, (account.address, account.login, account.password))
    return f"{words} and a certificate"


STORIES: Final[Mapping[str, tuple[str, Story, Sequence[str]]]] = {
    "signin": ("sign in and out", sign_in, ("user",)),
    "presence": ("watch somebody, have them publish, and see it", presence, ("user",)),
    "im": ("say something to --peer, who hears it", im, ("user", "peer")),
    "conference": ("make a conference, join it, and delete it", conference, ("user",)),
    "directory": ("look for somebody in the directory", directory, ("user",)),
    "web": ("ask the site whether the server works; with --user, get a web ticket", web, ()),
}
"""Probe → what it does, and who has to be named."""


# --- what they say


def _batch(owner: str, other: str) -> bytes:
    return (
        f'<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri={quote_attr(owner)} name="">'
        f'<action name="subscribe" id="1"><adhocList><resource uri={quote_attr(other)}/></adhocList>'
        f'<categoryList xmlns="{PRESENCE_NS}/categorylist"><category name="state"/></categoryList>'
        "</action></batchSub>"
    ).encode()


def _publication(owner: str, instance: int) -> bytes:
    """Write what a device says of itself: it ends with the device, and is no word of the user's."""
    state = (
        f'<state xmlns="{PRESENCE_NS}/state" manual="false"'
        f' xmlns:xsi="{INSTANCE_NS}" xsi:type="machineState">'
        "<availability>6500</availability><endpointLocation/></state>"
    )
    rows = "".join(
        f'<publication categoryName="state" instance="{instance}" container="{container}" version="0" expireType="endpoint">'
        f"{state}</publication>"
        for container in (2, 3)
    )
    return (
        f'<publish xmlns="{PRESENCE_NS}/rich-presence">'
        f"<publications uri={quote_attr(owner)}>{rows}</publications></publish>"
    ).encode()


def _tells_of(body: bytes, other: str) -> bool:
    text = body.decode("utf-8", "replace")
    return other.lower() in text.lower() and "6500" in text


def _search(text: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE_NS}" xmlns:m="{REQUEST_NS}"><s:Body>'
        '<m:directorySearch><m:filter m:href="#searchArray"/><m:maxResults>10</m:maxResults></m:directorySearch>'
        f'<m:Array xmlns:m="{REQUEST_NS}" m:id="searchArray"><m:row m:attrib="displayName" m:value={quote_attr(text)}/></m:Array>'
        "</s:Body></s:Envelope>"
    ).encode()


def _entries(answer: Response) -> int:
    return sum(local(one) == "row" and attr(one, "uri") is not None for one in _document(answer).walk())


def _c3p(sender: str, to: str, command: str) -> bytes:
    return (
        f'<?xml version="1.0"?><request xmlns="{_CCCP}" C3PVersion="1" to={quote_attr(to)} from={quote_attr(sender)}'
        f' requestId="1">{command}</request>'
    ).encode()


def _adding() -> str:
    return (
        f'<addConference><ci:conference-info xmlns:ci="{_INFO}" entity="" xmlns:msci="{MSCI_NS}"><ci:conference-description>'
        f"<ci:subject>lyncpy probe</ci:subject><msci:conference-id>{uuid4().hex.upper()}</msci:conference-id>"
        "<msci:admission-policy>openAuthenticated</msci:admission-policy></ci:conference-description>"
        '<msci:conference-view><msci:entity-view entity="chat"/></msci:conference-view></ci:conference-info></addConference>'
    )


def _joining(aor: str, focus: str) -> str:
    return (
        f'<addUser><conferenceKeys confEntity={quote_attr(focus)}/><ci:user xmlns:ci="{_INFO}" entity={quote_attr(aor)}>'
        "<ci:roles><ci:entry>attendee</ci:entry></ci:roles>"
        f'<ci:endpoint entity="{{{str(uuid4()).upper()}}}"/></ci:user></addUser>'
    )


def _ask_c3p(device: ProbeDevice, factory: str, command: str) -> Response:
    body = _c3p(device.aor, factory, command)
    answer = device.demand(device.request("SERVICE", factory, (), body, C3P_TYPE))
    _success(re.findall(r"\w+", command)[0], answer)
    return answer


def _success(command: str, answer: Response) -> None:
    """Look whether a command of C3P was done; raises ProbeFailed."""
    root = _document(answer)
    if attr(root, "code") not in ("success", "pending"):
        reasons = [attr(one, "reason") for one in root.walk() if attr(one, "reason")]
        why = shown(str(reasons[0])) if reasons else attr(root, "code") or "no reason"
        raise ProbeFailed(f"{command} was refused: {why}", "look at the user's policy: lyncpy ctl policy show USER")


def _entity(answer: Response) -> str:
    """Give the address of a conference that was made; raises ProbeFailed."""
    for one in _document(answer).walk():
        if local(one) == "conference-info" and attr(one, "entity"):
            return str(attr(one, "entity"))
    raise ProbeFailed("the answer names no conference", "is it a lyncpy server?")


def _document(answer: Response) -> Any:  # Any: an element
    try:
        return read_xml(answer.body)
    except RemoteProtocolError as error:
        raise advice.garbage("the server", error.reason) from None
