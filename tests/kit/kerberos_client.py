"""The client's side of Kerberos, by the system's GSS-API: tokens, and signatures with the key of a ticket."""

import base64
import importlib
import sys
from typing import Any, Final

SPNEGO: Final = "1.3.6.1.5.5.2"


class KerberosClient:
    """One security context of whoever the cache of tickets belongs to (KRB5CCNAME).

    Args:
        service: As `sip@fe1.example.test`.
        spnego: Whether the token is wrapped as browsers do.
        mutual: Whether the server has to prove itself too.
        ordered: Whether it asks that the order of what is signed is looked at.
    """

    def __init__(self, service: str, *, spnego: bool = False, mutual: bool = False, ordered: bool = False) -> None:
        self._gssapi: Any = importlib.import_module("gssapi")
        self._service, self._spnego, self._mutual, self._ordered = service, spnego, mutual, ordered
        self._context: Any = None

    def token(self) -> bytes:
        """Begin anew, and give the token that shows a ticket."""
        gssapi = self._gssapi
        flags = [gssapi.RequirementFlag.integrity]
        flags += [gssapi.RequirementFlag.mutual_authentication] if self._mutual else []
        if self._ordered:
            flags += [gssapi.RequirementFlag.replay_detection, gssapi.RequirementFlag.out_of_sequence_detection]
        self._context = gssapi.SecurityContext(
            name=gssapi.Name(self._service, gssapi.NameType.hostbased_service),
            usage="initiate",
            mech=gssapi.OID.from_int_seq(SPNEGO) if self._spnego else gssapi.MechType.kerberos,
            flags=flags,
        )
        token: bytes = self._context.step()
        return token

    def token64(self) -> str:
        """Give a new token as header fields have it."""
        return base64.b64encode(self.token()).decode()

    def finish(self, reply: bytes) -> None:
        """Take the server's proof; raises where it is none."""
        self._context.step(reply)
        assert self._context.complete

    def sign(self, text: bytes) -> bytes:
        """Sign a text as the client."""
        signature: bytes = self._context.get_signature(text)
        return signature

    def holds(self, text: bytes, mic: bytes) -> bool:
        """Tell whether this is the server's signature of a text."""
        try:
            self._context.verify_signature(text, mic)
        except self._gssapi.exceptions.GSSError:
            return False
        return True


if __name__ == "__main__":
    sys.stdout.write(KerberosClient(sys.argv[1]).token64())
