"""Where a server listens, as its settings say, and why it cannot, in a sentence for an operator. Pure."""

import errno
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.networks import address_of

EVERYWHERE: Final = ("::", "0.0.0.0")  # noqa: S104 - every address is what a setting says
"""What is tried in turn for every address: "::" takes both families where there is IPv6; where there is none, IPv4 is all."""

_NO_SUCH_ADDRESS: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


@dataclass(frozen=True, slots=True)
class ListeningPlace:
    """An address and a port, and the settings that name them."""

    section: str
    key: str
    """The setting of the port, e.g. "tls_port"."""

    host_key: str
    host: str
    """An address of this machine; "" for every one."""

    port: int

    @property
    def setting(self) -> str:
        """Name the setting of the port."""
        return f"[{self.section}] {self.key}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Give the addresses that are tried in turn."""
        return (self.host,) if self.host else EVERYWHERE

    def goes_on(self, host: str, code: int | None) -> bool:
        """Tell whether the next address is tried after one has failed.

        Args:
            host: That was tried.
            code: The number of the error (errno).
        """
        return host != self.hosts[-1] and code in _NO_SUCH_ADDRESS

    def objection(self, code: int | None, said: object, user: str = "another program") -> str:
        """Say why nobody can be listened for there, and what to do.

        Args:
            code: The number of the error (errno).
            said: What the system says.
            user: Who has the port already.
        """
        where = f"{self.setting}: port {self.port} on {self.host or 'all addresses'} cannot be opened"
        match code:
            case errno.EADDRINUSE:
                return f"{where}: {user} uses it; stop that program or choose another {self.key}"
            case errno.EACCES | errno.EPERM:
                return (
                    f"{where}: ports below 1024 need a permission; give the service CAP_NET_BIND_SERVICE"
                    f" or choose a {self.key} above 1023"
                )
            case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
                return f"{where}: this machine has no such address; correct {self.host_key}"
            case _ if self.host and address_of(self.host) is None:
                return f"{where}: {said}; correct {self.host_key}: an address of this machine, like 0.0.0.0 or ::1, without brackets and port"
            case _:
                return f"{where}: {said}; correct {self.host_key}"
