"""What stands in DNS, asked for without the hosts file: a name that this machine alone knows helps no client."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.error import ConnectError
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DomainError, ResolverError

from lyncpy.app.discovery import NO_SERVICE, DnsRecord, RecordKind
from lyncpy.sip.text import shown

TIMEOUTS_S: Final = (1, 2)
"""Seconds that each try may take."""

RESOLV_CONF: Final = "/etc/resolv.conf"


class DnsUnanswered(Exception):
    """No DNS server answers; the text says what was asked."""


class DnsLookups:
    """Asks the DNS servers of this machine, or one of them.

    Args:
        reactor: Sends and waits.
        server: Host and port of the server to ask; None: those that the system names.
    """

    def __init__(self, reactor: Any, server: tuple[str, int] | None) -> None:  # Any: several interfaces at once
        if server is None:
            self._resolver = client.Resolver(resolv=RESOLV_CONF, reactor=reactor)
        else:
            self._resolver = client.Resolver(servers=[server], reactor=reactor)

    async def services(self, name: str) -> list[str]:
        """Give the SRV records of a name, as `DnsRecord.value`, or with `NO_SERVICE` as target; none where the name is not there.

        Raises:
            DnsUnanswered: Nobody answers.
        """
        return [
            f"{one.priority} {one.weight} {one.port} {_target(one)}"
            for one in await self._payloads(self._resolver.lookupService, name, dns.SRV)
        ]

    async def addresses(self, name: str) -> list[str]:
        """Give the addresses to which a name leads, IPv4 ones first; otherwise as `services`."""
        four = await self._payloads(self._resolver.lookupAddress, name, dns.A)
        six = await self._payloads(self._resolver.lookupIPV6Address, name, dns.AAAA)
        return [one.dottedQuad() for one in four] + [str(ip_address(one.address)) for one in six]

    async def aliases(self, name: str) -> list[str]:
        """Give the names by way of which a name leads to its addresses; otherwise as `services`."""
        return [
            shown(one.name.name.decode("ascii", "replace").rstrip("."))
            for one in await self._payloads(self._resolver.lookupAddress, name, dns.CNAME)
        ]

    async def found(self, record: DnsRecord) -> list[str]:
        """Give what stands in the place of a record; otherwise as `services`."""
        return await (self.services(record.name) if record.kind is RecordKind.SRV else self.addresses(record.name))

    async def _payloads(self, ask: Callable[..., Awaitable[Any]], name: str, kind: int) -> list[Any]:  # Any: records
        try:
            answers, _, _ = await ask(name, TIMEOUTS_S)
        except DNSNameError:
            return []
        except (DomainError, ResolverError, defer.TimeoutError, ConnectError, OSError) as error:
            raise DnsUnanswered(f'no DNS server answers for "{name}" ({type(error).__name__})') from error
        return [one.payload for one in answers if one.type == kind]


def _target(record: Any) -> str:  # Any: as above
    """Give the target of an SRV record; a stranger may have written it."""
    return shown(record.target.name.decode("ascii", "replace").rstrip(".")) or NO_SERVICE
