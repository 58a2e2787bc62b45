"""NTLM of a Windows domain: who verifies a proof whose password is not known here ([MS-NLMP], [MS-APDS] 3.1)."""

from collections.abc import Awaitable
from dataclasses import dataclass, field

from zope.interface import Interface

from lyncpy.contracts.directory import Person, SignInObjection


@dataclass(frozen=True, slots=True)
class NtlmResponse:
    """What a client answered to a challenge, with NTLMv2. Its bytes are kept out of logs."""

    domain: str
    """As the client sent it; "": none."""

    user: str
    """As the client sent it: it is part of what the proof covers."""

    challenge: bytes = field(repr=False)
    """Ours, 8 bytes."""

    response: bytes = field(repr=False)
    """The proof, and what it covers besides the challenge ([MS-NLMP] 2.2.2.8)."""


class INtlmVerifier(Interface):
    """A domain that keeps passwords and shows nobody: it can be asked whether a response proves one."""

    def verify(person: Person | None, given: NtlmResponse, peer: str) -> Awaitable["bytes | SignInObjection | None"]:
        """Ask whether a response proves a person's password: the session base key (16 bytes), or why it does not let them in.

        None: they are of a directory whose passwords this domain does not have. The account that the client names has to be that person's: the domain knows accounts that are nobody's here, or somebody
        else's. Nobody (None) takes as long as somebody. Cancelled before the domain was asked it ends, and nobody is asked; later
        it goes on to its verdict, for the domain counts what it was asked.

        Args:
            peer: The network address that it comes from; each may ask for a part of what waits.

        Raises:
            DirectoryUnavailable: There was no verdict in time, with a sentence for an operator.
        """
