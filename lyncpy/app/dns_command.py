"""`lyncpy dns FILE`: the DNS records that a configuration needs, and which of them are there."""

import argparse
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet import task

from lyncpy.app.arguments import add_file
from lyncpy.app.config import Config, load
from lyncpy.app.discovery import DnsRecord, judged, misled, other_hosts, questions, records, remarks
from lyncpy.app.dns_lookups import DnsLookups, DnsUnanswered
from lyncpy.contracts.names import domain_of

DNS_PORT: Final = 53

ELSEWHERE: Final = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses that nobody has (RFC 5737, RFC 3849): the way to them shows from which address this machine is seen."""


HELP: Final = "print the DNS records that clients need, as a zone file, and check them"


def declare(words: Any, text: str = HELP, *, asks_all: bool = False) -> None:  # Any: argparse has no public name for it
    """Add the command to the command line.

    Args:
        words: Of the command line.
        text: The help.
        asks_all: Whether it shows what comes back to all that clients ask, too.
    """
    command = words.add_parser("dns", help=text)
    add_file(command)
    command.add_argument(
        "--address",
        action="append",
        default=[],
        type=_address,
        help="the server's address as clients reach it; may be given again. Otherwise [sip] tls_host, or this machine's",
    )
    command.add_argument(
        "--resolver", type=_resolver, metavar="HOST[:PORT]", help="ask this DNS server, not those of the system"
    )
    command.add_argument("--print", action="store_true", dest="unasked", help="print alone, and ask nobody")
    command.set_defaults(run=run, asks_all=asks_all)


def run(options: argparse.Namespace) -> int:
    """Print the records; status 1 where one is not there as it should be."""
    config = load(options.file, options.set)
    needed = list(records(config, options.address or list(_own_addresses(config))))
    for remark in remarks(config):
        sys.stdout.write(f"; {remark}\n")
    if not any(one.name == domain_of(config.sections.sip.server_name) for one in needed):
        sys.stdout.write("; the address of this server is not known: give it with --address\n")
    if options.unasked:
        sys.stdout.writelines(f"{one.line()}  ; {one.reason}\n" for one in needed)
        sys.stdout.writelines(
            f"; {host}, another server of the pool: its own file gives its address\n" for host in other_hosts(config)
        )
        return 0
    return _checked(config, needed, options.resolver, asks_all=options.asks_all)


def _checked(config: Config, needed: Sequence[DnsRecord], server: tuple[str, int] | None, *, asks_all: bool) -> int:
    async def look(reactor: Any) -> None:  # Any: several interfaces at once
        lookups, bad = DnsLookups(reactor, server), 0
        try:
            leads = await lookups.addresses(config.sections.sip.server_name)
            for one in needed:
                also = [other.value for other in needed if other.name == one.name]
                verdict = judged(one, await lookups.found(one), leads, also)
                sys.stdout.write(f"{one.line()}  ; {one.reason}: {verdict.words}\n")
                bad += not verdict.good
            for host in other_hosts(config):
                at = await lookups.addresses(host)
                sys.stdout.write(f"; {host}, another server of the pool: {', '.join(at) or 'missing'}\n")
                bad += not at
            if asks_all:
                bad += await _asked(config, needed, lookups)
        except DnsUnanswered as error:
            sys.stdout.writelines(f"{one.line()}  ; {one.reason}\n" for one in needed)
            sys.stderr.write(f"lyncpy: {error}; name another with --resolver, or ask nobody with --print\n")
            bad = 1
        if bad:
            raise SystemExit(1)

    try:
        task.react(look)
    except SystemExit as end:  # of which 1 is the code, too, when something here is wrong
        return int(end.code or 0)


async def _asked(config: Config, needed: Sequence[DnsRecord], lookups: DnsLookups) -> int:
    """Show what comes back to each question of clients; give how many answers lead them elsewhere."""
    bad = 0
    ours = [
        one for name in (config.sections.sip.server_name, *other_hosts(config)) for one in await lookups.addresses(name)
    ]
    sys.stdout.write("; what clients ask, and what comes back:\n")
    for one in questions(config):
        found = await (lookups.services(one.name) if one.is_service else lookups.addresses(one.name))
        aliases = [] if one.is_service else [f"CNAME {alias}" for alias in await lookups.aliases(one.name)]
        told = ", ".join([*aliases, *found]) or "nothing"
        doubt = misled(one, found, ours, needed)
        kind = "SRV" if one.is_service else "A and AAAA"
        sys.stdout.write(f"; {kind} {one.name} ({one.who}): {told}{f': {doubt}' if doubt else ''}\n")
        bad += bool(doubt)
    return bad


def _own_addresses(config: Config) -> Iterator[str]:
    """Give the address on which the server listens, or those from which this machine is seen by others; none behind a relay."""
    host = config.sections.sip.tls_host
    with suppress(ValueError):
        listens = ip_address(host)
        if listens.is_loopback:
            return  # clients reach it through something else, and where that is nobody has said
        if not listens.is_unspecified:
            yield host
            return
    for elsewhere, family in ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, DNS_PORT))  # of a datagram: nothing is sent
            yield str(ip_address(probe.getsockname()[0].partition("%")[0]))


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text[:80]}" is no IP address') from None


def _resolver(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", str(DNS_PORT))
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text[:80]}" is no HOST or HOST:PORT')
    return _address(host), int(port)
