"""Where connections come from and go to: the address that counts, hosts and ports, and relays that speak for others. Pure."""

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

HOST_BITS: Final = 64
"""Bits of an IPv6 address that one host may choose at will (RFC 4291 §2.5.1): they tell nobody apart."""


def network_of(address: str) -> str:
    """Give the name under which an address is counted: IPv4 itself, of IPv6 the network of 64 bits.

    What is no address (a test's, a socket's that is gone) stays as it is.
    """
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found) >> HOST_BITS << HOST_BITS, 128 - HOST_BITS)))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, as far as its name or address says: nothing that is sent there leaves it."""
    if host == "localhost":
        return True
    found = address_of(host)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found is not None and found.is_loopback


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Read an address; None: it is a name, or nothing."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def host_and_port(text: str) -> tuple[str, int | None] | None:
    """Read "host", "host:port" or "[address]:port".

    Returns: The host as it stands, and its port, None where there is none; None: it is none of these.
    """
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")) or address_of(host) is None:
            return None
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)):
        return None
    return host, int(port) if port else None


class Networks:
    """Addresses and networks of a setting, read once.

    Args:
        names: "192.0.2.7", "2001:db8::/64".
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._networks = tuple(ip_network(name, strict=False) for name in names)

    def __contains__(self, address: object) -> bool:
        """Tell whether an address is one of them, or in one."""
        if not self._networks or not isinstance(address, str):
            return False
        found = address_of(address.partition("%")[0])
        if found is None:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


class Relays(Networks):
    """The relays in front of this server; connections from them are relayed for other hosts.

    Args:
        names: "192.0.2.7", "2001:db8::/64".
        send_proxy: They begin each connection with a PROXY header; else they are only exempt from counts.
    """

    def __init__(self, names: Sequence[str], *, send_proxy: bool = True) -> None:
        super().__init__(names)
        self.send_proxy = send_proxy


def check_relays(names: Sequence[str]) -> None:
    """Check the addresses and networks of a setting.

    Raises:
        ValueError: One of them is no address and no network.
    """
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise ValueError(
                f'{name!r} is no address and no network; write them like "192.0.2.7" or "2001:db8::/64"'
            ) from None
