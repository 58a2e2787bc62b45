"""What a client asks over HTTPS, before anything else: whether the server works, and a web ticket."""

import base64
import http.client
import io
from dataclasses import dataclass, field
from typing import Final

from lyncpy.app.probes import advice
from lyncpy.app.probes.device import ProbeSession
from lyncpy.app.probes.network import Channel
from lyncpy.app.probes.outcome import ProbeFailed
from lyncpy.sip.soap import ENVELOPE_NS
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import ADDRESSING_NS, TRUST_NS
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, TICKETS

READY: Final = "/readyz"
TICKET_PLACE: Final = f"{TICKETS}/Auth"

ANSWER_BYTES: Final = 1_048_576

_REMEDIES: Final = {
    401: "is the password right? On the server: lyncpy ctl why USER",
    403: "on the server: lyncpy ctl why USER",
    404: "is it the port of [web] https_port?",
    429: "too many wrong passwords came from here; on the server: lyncpy ctl signin locks",
    500: "a bug of the server: its log says more",
    503: "something keeps the server from its work; on the server: lyncpy ctl conditions",
}


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request."""

    place: tuple[str, int]
    """Host and port."""

    method: str
    path: str
    body: bytes = b""
    authorization: str = field(default="", repr=False)
    name: str = ""
    """Of the site, where that is another one than the host's; the certificate has to have it."""


def basic(login: str, password: str) -> str:
    """Write the header that sends a password."""
    return f"Basic {base64.b64encode(f'{login}:{password}'.encode()).decode()}"


def look_at_site(session: ProbeSession, place: tuple[str, int], name: str, address: str, authorization: str) -> str:
    """Ask the site; give what was done.

    Args:
        session: That of the probe.
        place: Host and port.
        name: Of the site; "": the host's.
        address: Of whom a ticket is asked for; "": of nobody.
        authorization: What proves them.

    Raises:
        ProbeFailed: With the step at which it failed.
    """
    status, body = ask(session, WebRequest(place, "GET", READY, name=name), "ready")
    if status != 200:
        raise refused(f"GET {READY}", status, body)
    if not address:
        return "the site says that the server works"
    audience = f"https://{name or place[0]}:{place[1]}{ADDRESS_BOOK}"
    wish = ticket_wish(audience, address, bytes(32))
    status, body = ask(session, WebRequest(place, "POST", TICKET_PLACE, wish, authorization, name), "ticket")
    if status != 200 or b"Assertion" not in body:
        raise refused("the request for a web ticket", status, body)
    return f"{address} got a web ticket"


def ask(session: ProbeSession, asked: WebRequest, step: str) -> tuple[int, bytes]:
    """Ask on a connection of its own; give status and body. Raises ProbeFailed."""
    channel = session.network.connect(*asked.place, session.step, asked.name)
    try:
        with session.step(step):
            lines = [
                f"{asked.method} {asked.path} HTTP/1.1",
                f"Host: {asked.name or asked.place[0]}:{asked.place[1]}",
                "Connection: close",
                "User-Agent: lyncpy-probe/1",
            ]
            lines += [f"Authorization: {asked.authorization}"] if asked.authorization else []
            if asked.body:
                lines += ["Content-Type: text/xml; charset=utf-8", f"Content-Length: {len(asked.body)}"]
            channel.send("\r\n".join([*lines, "", ""]).encode() + asked.body)
            return _read(session, channel, f"{asked.method} {asked.path}")
    finally:
        channel.close()


def _read(session: ProbeSession, channel: Channel, what: str) -> tuple[int, bytes]:
    """Read until the server has closed the connection; it has the time of one answer for that."""
    ends, data = session.ends(), b""
    while len(data) <= ANSWER_BYTES and (piece := session.read(channel, what, ends)):
        data += piece
    response = http.client.HTTPResponse(_Whole(data))  # type: ignore[arg-type]  # it asks for a file alone
    try:
        response.begin()
        return response.status, response.read(ANSWER_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise ProbeFailed(
            f"what comes from {channel.place} is no HTTP: {shown(str(error) or type(error).__name__)}",
            "does another program listen at this port?",
        ) from None


class _Whole:
    """What has come, as a socket that can be read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        """Give it as a file."""
        return io.BytesIO(self._data)


def refused(what: str, status: int, body: bytes) -> ProbeFailed:
    """Say what an answer means that is no success."""
    said = body.decode("utf-8", "replace").partition("<faultstring")[2].partition(">")[2].partition("<")[0]
    why = f": {shown(said, 200)}" if said else ""
    return ProbeFailed(f"{what} was answered with {status}{why}", _REMEDIES.get(status, advice.LOOK_AT_LOG))


def ticket_wish(audience: str, address: str, entropy: bytes) -> bytes:
    """Write a request for a ticket of this user's, whose key follows from this entropy (WS-Trust 1.3, [MS-OCAUTHWS] 3.1)."""
    return (
        f'<?xml version="1.0"?><soap:Envelope xmlns:soap="{ENVELOPE_NS}"'
        f' xmlns:wst="{TRUST_NS}" xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"'
        f' xmlns:wsa="{ADDRESSING_NS}" xmlns:auth="http://schemas.xmlsoap.org/ws/2006/12/authorization">'
        "<soap:Body><wst:RequestSecurityToken>"
        "<wst:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</wst:TokenType>"
        "<wst:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</wst:RequestType>"
        f"<wsp:AppliesTo><wsa:EndpointReference><wsa:Address>{audience}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>"
        '<wst:Claims Dialect="urn:component:Microsoft.Rtc.WebAuthentication.2010:authclaims">'
        '<auth:ClaimType Uri="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/uri" Optional="false">'
        f"<auth:Value>sip:{address}</auth:Value></auth:ClaimType></wst:Claims>"
        f"<wst:Entropy><wst:BinarySecret>{base64.b64encode(entropy).decode()}</wst:BinarySecret></wst:Entropy>"
        f"<wst:KeyType>{TRUST_NS}/SymmetricKey</wst:KeyType>"
        "</wst:RequestSecurityToken></soap:Body></soap:Envelope>"
    ).encode()
