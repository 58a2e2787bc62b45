"""Kerberos of a probe: a ticket out of the cache of whoever runs it, and signatures with its session key ([MS-SIPAE] 3.2.5.1)."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from lyncpy.app.probes.keys import SigningKeys
from lyncpy.app.probes.outcome import ProbeFailed, ProbeStatus
from lyncpy.backends.kerberos import ERRORS, KerberosMissing, load_gssapi
from lyncpy.contracts.kerberos import SIP_SERVICE
from lyncpy.sip.message import Request
from lyncpy.sip.text import shown

_SPNEGO: Final = "1.3.6.1.5.5.2"

_SERVERS: Final[Mapping[int, tuple[str, str]]] = {
    7: ("the KDC does not know the service {service}", "on the server: lyncpy doctor kerberos"),
    14: ("the KDC has no key for {service} of a kind that is allowed here", "allow AES for the service's account"),
    152: ("no KDC is known for the realm", "look at /etc/krb5.conf, or at _kerberos._udp in DNS"),
    154: ("no KDC is known for the realm", "look at /etc/krb5.conf, or at _kerberos._udp in DNS"),
    156: ("no KDC of the realm answers", "is it running, and can its port 88 be reached?"),
}
"""Numbers of RFC 4120 §7.5.9 and of MIT's library whose cause is not with the probe → words, and what to do."""


class ServiceTicket:
    """A ticket for one service.

    Args:
        service: As `sip@fe1.example.com`.
        cache: Where the tickets are; "": where the system has them (KRB5CCNAME).
        spnego: Whether it is shown as browsers do.

    Raises:
        ProbeFailed: There is none; UNKNOWN, where that is the probe's own fault.
    """

    def __init__(self, service: str, cache: str, *, spnego: bool = False) -> None:
        try:
            gssapi: Any = load_gssapi()  # Any: an extra, which need not be there
        except KerberosMissing as error:
            raise ProbeFailed(str(error), "", ProbeStatus.UNKNOWN) from None
        self._errors = gssapi.exceptions.GSSError
        try:
            self._context = gssapi.SecurityContext(
                name=gssapi.Name(service, gssapi.NameType.hostbased_service),
                creds=gssapi.Credentials(usage="initiate", store={"ccache": cache} if cache else None),
                usage="initiate",
                mech=gssapi.OID.from_int_seq(_SPNEGO) if spnego else gssapi.MechType.kerberos,
                flags=[gssapi.RequirementFlag.integrity],
            )
            self.token: bytes = self._context.step()
        except self._errors as error:
            raise no_ticket(service, error.min_code - ERRORS, str(error).rpartition("): ")[2]) from None

    def sign(self, text: bytes) -> bytes:
        """Sign a text."""
        signature: bytes = self._context.get_signature(text)
        return signature

    def holds(self, text: bytes, mic: bytes) -> bool:
        """Tell whether this is the server's signature of a text."""
        try:
            self._context.verify_signature(text, mic)
        except self._errors:
            return False
        return True


def no_ticket(service: str, number: int, said: str) -> ProbeFailed:
    """Say why there is no ticket."""
    known = _SERVERS.get(number)
    if known is not None:
        return ProbeFailed(known[0].format(service=service.replace("@", "/")), known[1])
    words = f"there is no ticket for {service.replace('@', '/')}: {shown(said, 200)}"
    return ProbeFailed(
        words, "get one with kinit as the user, or name its cache with --ticket-cache", ProbeStatus.UNKNOWN
    )


class KerberosKeys(SigningKeys):
    """One ticket, and signatures with its session key.

    Args:
        cache: See `ServiceTicket`.
    """

    scheme = "Kerberos"
    steps: Final = 1

    def __init__(self, cache: str) -> None:
        super().__init__()
        self._cache = cache
        self._ticket: ServiceTicket | None = None

    def restart(self) -> None:
        """Forget the association."""
        self._ticket = None

    def goes_on(self, challenge: str) -> bool:
        """Tell that a challenge leads on, unless a ticket was shown."""
        return self._ticket is None

    def answer(self, request: Request, challenge: str) -> Request:
        """Give the REGISTER that shows a ticket. Raises BadChallenge, ProbeFailed."""
        target = self.begin(challenge)["targetname"]
        host = target.removeprefix(f"{SIP_SERVICE}/")
        self._ticket = ServiceTicket(f"{SIP_SERVICE}@{host}", self._cache)
        return self.shown(request, base64.b64encode(self._ticket.token).decode(), is_signed=True)

    def mac(self, text: bytes) -> str:
        """Give our signature of a text."""
        return "" if self._ticket is None else self._ticket.sign(text).hex()

    def is_theirs(self, text: bytes, proof: str) -> bool:
        """Tell whether this is the server's signature of a text."""
        return self._ticket is not None and len(proof) % 2 == 0 and self._ticket.holds(text, bytes.fromhex(proof))
