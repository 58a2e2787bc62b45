"""What a failure means, and what to do about it, for who looks after the server. Pure."""

import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from lyncpy.app.probes.outcome import ProbeFailed
from lyncpy.sip.message import Response
from lyncpy.sip.text import shown

_REMEDIES: Final = {
    301: "sign in at the server that it names, with --server",
    400: "is it a lyncpy server at this port?",
    401: "is the password right? On the server: lyncpy ctl why USER",
    403: "on the server: lyncpy ctl why USER",
    404: "does the address exist there? On the server: lyncpy ctl user show USER",
    408: "the other device did not answer; on the server: lyncpy ctl endpoints",
    480: "the other is not signed in; on the server: lyncpy ctl endpoints",
    481: "the server does not know the conversation any more; was it restarted?",
    500: "a bug of the server: its log says more",
    503: "the server cannot do its work now; on the server: lyncpy ctl conditions",
    504: "something that the server needs did not answer in time; on the server: lyncpy ctl conditions",
}

_ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What OpenSSL says of a connection that is over."""

LOOK_AT_LOG: Final = "its log says more"

_CERTIFICATE: Final = {
    "self-signed certificate": "give the authority that issued it with --ca",
    "self signed certificate": "give the authority that issued it with --ca",
    "unable to get local issuer": "give the authority that issued it with --ca, or add the intermediate certificate to the server's",
    "certificate has expired": "renew it; the server takes a new file up by itself",
    "not yet valid": "compare the clocks of both machines",
    "Hostname mismatch": "name the server as its certificate does, with --server or --name, or have a certificate with this name",
    "IP address mismatch": "name the server as its certificate does, with --server or --name, or have a certificate with this name",
}
"""A part of what OpenSSL says → what to do."""


def refused(method: str, response: Response) -> ProbeFailed:
    """Say what an answer means that is no success."""
    number, reason = diagnostics(response)
    why = f" (ms-diagnostics {number}: {reason})" if number else ""
    retry = response.headers.get("Retry-After")
    later = f", and asks to come again in {shown(retry)} s" if retry else ""
    if response.status == 401 and not why:
        why = ": name or password are not accepted"
    remedy = _REMEDIES.get(response.status, "on the server: lyncpy ctl why USER")
    return ProbeFailed(f"{method} was answered with {response.status} {shown(response.phrase)}{why}{later}", remedy)


_SCHEMES: Final = {
    "NTLM": "a probe signs in with a password: look at [auth] schemes, or take --scheme auto",
    "TLS-DSK": "look at [auth] schemes, and whether the server has a site ([web] https_port)",
    "Kerberos": "look at [auth] keytab; on the server: lyncpy doctor kerberos",
}


def not_offered(scheme: str, offered: Sequence[str]) -> ProbeFailed:
    """Say that the server does not want this proof."""
    names = ", ".join(sorted(offered)) or "nothing"
    return ProbeFailed(f"the server offers {names} to sign in with, and no {scheme}", _SCHEMES[scheme])


def diagnostics(response: Response) -> tuple[str, str]:
    """Give number and reason of ms-diagnostics; "" where there is none."""
    said = response.headers.get("ms-diagnostics") or response.headers.get("ms-diagnostics-public") or ""
    return said.partition(";")[0].strip()[:10], shown(said.partition('reason="')[2].partition('"')[0], 200)


def no_name(host: str, error: OSError) -> ProbeFailed:
    """Say that a name has no address."""
    why = error.strerror or str(error)
    return ProbeFailed(
        f'the name "{shown(host)}" has no address: {why}',
        "look at the DNS record, on the server with: lyncpy dns; or give the address with --server",
    )


def no_connection(place: str, error: OSError) -> ProbeFailed:
    """Say why there is no connection."""
    if isinstance(error, TimeoutError | socket.timeout):
        return ProbeFailed(f"{place} does not answer", "a firewall drops what is sent there, or the machine is down")
    if error.errno == errno.ECONNREFUSED:
        return ProbeFailed(
            f"nothing listens at {place}", "is the server running, and is that its port ([sip] tls_port)?"
        )
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return ProbeFailed(f"there is no way to {place}: {error.strerror}", "look at routes and firewalls")
    return ProbeFailed(f"{place} cannot be reached: {error.strerror or error}", "look at the network between")


def no_tls(place: str, error: OSError) -> ProbeFailed:
    """Say why there is no TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message
        remedy = next(
            (text for part, text in _CERTIFICATE.items() if part.lower() in said.lower()),
            "look at it with: lyncpy doctor certificate",
        )
        return ProbeFailed(f"the certificate of {place} is not accepted: {said.rstrip('.')}", remedy)
    if isinstance(error, TimeoutError | socket.timeout):
        return ProbeFailed(
            f"{place} does not answer the TLS handshake", "is it a port with TLS, and is the server busy?"
        )
    reason = getattr(error, "reason", None)
    if reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"):
        return ProbeFailed(f"what answers at {place} speaks no TLS", "is that the port of [sip] tls_port?")
    if isinstance(error, ssl.SSLError) and not isinstance(error, _ENDED):
        return ProbeFailed(
            f"the TLS handshake with {place} failed: {reason or error}",
            "look at versions and ciphers of both sides",
        )
    return ProbeFailed(
        f"{place} ended the connection in the TLS handshake", "the server may be full or busy; its log says more"
    )


def closed(place: str) -> ProbeFailed:
    """Say that the server has ended the connection."""
    return ProbeFailed(f"{place} ended the connection", "its log says why; is it a port for clients?")


def silent(what: str, seconds: float) -> ProbeFailed:
    """Say that nothing came."""
    return ProbeFailed(
        f"{what} was not answered within {seconds:g} s",
        "the server is reached and says nothing: on it, lyncpy ctl status",
    )


def garbage(place: str, why: str) -> ProbeFailed:
    """Say that what came is no SIP."""
    return ProbeFailed(
        f"what comes from {place} is no SIP: {shown(why, 120)}", "does another program listen at this port?"
    )
