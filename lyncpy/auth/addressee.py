"""To which service a client has addressed an NTLM proof (MsvAvTargetName, [MS-NLMP] 2.2.2.1), and whether that is us. Pure.

SSPI writes what the program has given to InitializeSecurityContext, unchanged, so a name has many forms. Over SIP it is the
`targetname` of our challenge: "fe1.contoso.test" ([MS-SIPAE] 4.1), "fe1.contoso.test/" where the system's GSSAPI is Apple's, which
adds an empty host, or "sip/fe1.contoso.test". Over HTTP it is "HTTP/" and the host of the URL, with its port or without, and
"host/" of it from .NET. Only what says plainly that it is for another service or host is refused: whoever gets a proof to
pass on gets it as the server that the client believes to speak to, and a browser or a mount of files names its own.

A client that marks the name as unverified (0x4 in MsvAvFlags) has it from whoever it speaks to, as every client of SIP has.
That tells less about the host, and as much about the service.
"""

from collections.abc import Iterable, Set
from typing import Final

_ANY_SERVICE: Final = "host"
"""The class that stands for all services of a host."""


class Addressee:
    """The service that a proof may be for.

    Args:
        service: Its class, in any case.
        hosts: The names of the host, in any case.
        is_told: The server tells the client what name to write. Then a host proves nothing, for another server can tell ours.
    """

    def __init__(self, service: str, hosts: Iterable[str], *, is_told: bool) -> None:
        self._service = service.lower()
        self._hosts: Set[str] = frozenset(name.lower().rstrip(".") for name in hosts if name)
        self._is_told = is_told

    def other_in(self, names: Iterable[str]) -> str:
        """Give the first name that is another service's, as the client wrote it; "": none is."""
        return next((name for name in names if not self._is_meant(name)), "")

    def _is_meant(self, name: str) -> bool:
        service, host = _parted(name.lower())
        if service not in ("", self._service, _ANY_SERVICE):
            return False
        return (self._is_told and service != _ANY_SERVICE) or host in self._hosts


def _parted(name: str) -> tuple[str, str]:
    """Give class and host of a service's name; "" is no class.

    What follows the host (a port, a realm, a name of the service) is nothing that somebody else's would not have.
    """
    service, slash, place = name.partition("/")
    # No class has a dot, and no service is without a host.
    if not slash or not place or "." in service:
        service, place = "", service or place
    if place.startswith("["):
        return service, place[1:].partition("]")[0]
    for mark in "/@:":
        place = place.partition(mark)[0]
    return service, place.rstrip(".")
