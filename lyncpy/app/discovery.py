"""The names by which clients find a server: what has to stand in DNS, and what in the certificate. Pure.

| Client | Asks, in this order |
|---|---|
| Lync 2010 and later, Skype for Business | `lyncdiscoverinternal.`, `lyncdiscover.` over HTTPS; SRV `_sipinternaltls._tcp.`, `_sip._tls.`; the host names `sipinternal.`, `sip.`, `sipexternal.` |
| pidgin-sipe | the same; of SRV also `_sipinternal._tcp.` and `_sip._tcp.` without TLS |
| Communicator 2007 | SRV, then the host names |
| any client of a pool | each target of the SRV records in turn; each is one server's own name, `[pool] servers`; without them one target, which has the addresses of all servers |
| browsers, and clients for web services | the hosts of `[conferencing] meeting_url` and `[web] url` |

Of the host names `sipinternal.` is asked at port 5061, the other two at 443.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from lyncpy.app.config import Config
from lyncpy.contracts.names import domain_of, is_below

TTL_S: Final = 3600

HTTP: Final = 80
HTTPS: Final = 443
SIPS: Final = 5061
"""The port at which clients that were told none ask."""

NO_SERVICE: Final = "."
"""The target of an SRV record that says that the service is not there at all (RFC 2782)."""

SAME_SERVER: Final = "the same server, for the clients of one of [sip] domains"

_BY_SRV: Final = "the SRV records lead them to the server's own name"

SERVICES: Final = {
    "_sipinternaltls._tcp": "clients inside, over TLS",
    "_sip._tls": "clients outside, over TLS",
    "_sipinternal._tcp": "clients inside, without TLS",
    "_sip._tcp": "clients outside, without TLS",
}
"""The SRV records that clients ask for, and which clients do."""

SIP_HOSTS: Final = ("sipinternal", "sip", "sipexternal")

WEB_HOSTS: Final = ("lyncdiscoverinternal", "lyncdiscover")


class RecordKind(StrEnum):
    """A kind of DNS record (RFC 1035 §3.2.2, RFC 3596, RFC 2782)."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    SRV = "SRV"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record that clients need."""

    name: str
    """Without the dot at its end."""

    kind: RecordKind
    value: str
    """An address, a name, or "priority weight port target"; names without the dot."""

    reason: str
    """For whom it is."""

    def line(self) -> str:
        """Write it as in a zone file (RFC 1035 §5)."""
        dot = "" if self.kind in (RecordKind.A, RecordKind.AAAA) else "."
        return f"{self.name}. {TTL_S} IN {self.kind} {self.value}{dot}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What stands in DNS in the place of a record."""

    good: bool
    words: str


def records(config: Config, addresses: Sequence[str]) -> Iterator[DnsRecord]:
    """Give the records that a configuration needs, the most important ones first.

    Args:
        config: What is needed.
        addresses: Of the server, as clients reach it.
    """
    sip = config.sections.sip
    names = {domain: sip.name_for(domain) for domain in sip.all_domains}
    for name in dict.fromkeys(names.values()):
        reason = "[sip] server_name: the server itself" if name == sip.name_for(sip.all_domains[0]) else SAME_SERVER
        yield from _at(name, addresses, reason)
    for domain, name in names.items():
        yield from _services(config, domain, name)
    own = own_host(config)
    if own and own not in names.values():
        yield from _at(own, addresses, "[pool] name: this server alone")
    has = {*names.values(), own}
    for host in _each_once(config):
        if host.name in names and host.name not in has:
            # Other records stand under a domain itself, and a CNAME has to be alone (RFC 1034 §3.6.2).
            yield from _at(host.name, addresses, host.asked_by)
        elif host.name not in has:
            yield DnsRecord(host.name, RecordKind.CNAME, domain_of(sip.server_name), host.asked_by)


def own_host(config: Config) -> str:
    """Give the host at which clients reach this server of several by itself; "": there is none."""
    pool = config.sections.pool
    return pool.place(pool.name, 0)[0] if pool.name else ""


def other_hosts(config: Config) -> Sequence[str]:
    """Give the hosts of the other servers of the pool, whose files have their addresses."""
    own, sip = own_host(config), config.sections.sip
    return [host for host in config.sections.pool.places(sip.tls_port) if host not in (own, domain_of(sip.server_name))]


def _targets(config: Config, domain: str, name: str) -> Sequence[tuple[str, int]]:
    """Give hosts and ports to which the clients of a domain are led with TLS: each server of the pool, if it is in the domain."""
    sip = config.sections.sip
    places = config.sections.pool.places(sip.tls_port) if config.sections.pool.servers else {}
    return [(host, port) for host, port in places.items() if is_below(host, domain)] or [(name, sip.tls_port)]


def _at(name: str, addresses: Sequence[str], reason: str) -> Iterator[DnsRecord]:
    """Give the records of a name that has the server's addresses."""
    for address in addresses:
        kind = RecordKind.AAAA if ip_address(address).version == 6 else RecordKind.A
        yield DnsRecord(name, kind, address, reason)


def _services(config: Config, domain: str, name: str) -> Iterator[DnsRecord]:
    """Give the SRV records of a domain."""
    sip = config.sections.sip
    if sip.tls_port:
        targets = [f"0 0 {port} {host}" for host, port in _targets(config, domain, name)]
        for service, who in (("_sipinternaltls._tcp", "inside"), ("_sip._tls", "outside")):
            for target in targets:
                yield DnsRecord(f"{service}.{domain}", RecordKind.SRV, target, f"clients {who}, over TLS")
    if sip.tcp_port and sip.tcp_beyond_loopback:
        target = f"0 0 {sip.tcp_port} {name}"
        for service in ("_sipinternal._tcp", "_sip._tcp"):
            yield DnsRecord(f"{service}.{domain}", RecordKind.SRV, target, "clients without TLS, [sip] tcp_port")


@dataclass(frozen=True, slots=True)
class AskedHost:
    """A name under which clients look for the server itself."""

    name: str
    asked_by: str
    """Who asks, and where."""

    instead: str = ""
    """How they find the server where the certificate is not for it; "": not at all."""

    @property
    def needed(self) -> bool:
        """Whether somebody fails where the certificate is not for it."""
        return not self.instead


def asked_hosts(config: Config) -> Iterator[AskedHost]:
    """Give the names that a certificate should be for, but for `[sip] server_name`."""
    server = domain_of(config.sections.sip.server_name)
    for host in _each_once(config):
        if host.name != server:
            yield host


def _each_once(config: Config) -> Iterable[AskedHost]:
    """Give all names, each with the first who asks for it."""
    found: dict[str, AskedHost] = {}
    for host in _hosts(config):
        found.setdefault(host.name, host)
    return found.values()


def _hosts(config: Config) -> Iterator[AskedHost]:
    sip = config.sections.sip
    for domain in sip.all_domains[1:]:
        asked_by = f"clients of {domain} connect to it, [sip] domains"
        yield AskedHost(sip.name_for(domain), asked_by, "" if sip.tls_port else "they connect without TLS")
    own = own_host(config)
    if own:
        yield AskedHost(own, "clients are led, and sent on, to this server of several by it, [pool] name")
    if config.site:
        yield AskedHost(_host_of(config.site), "web services and pages, [web] url")
    for domain in sip.all_domains:
        yield from _looked_up(config, domain)
    meetings = _host_of(config.sections.conferencing.meeting_url) if config.site else ""
    if meetings:
        yield AskedHost(meetings, "browsers of those who follow a meeting link")


def _looked_up(config: Config, domain: str) -> Iterator[AskedHost]:
    """Give the names under which clients of a domain look for the server that were told none."""
    # At a port that nobody chose they would look in vain; clients find the server by its SRV records then.
    sent_on = bool(config.sections.web.http_port)
    if config.site and (config.is_site_chosen or sent_on):
        ports = f"http port {HTTP} and https port {HTTPS}" if sent_on else f"https port {HTTPS}"
        for host in WEB_HOSTS:
            asked_by = f"Lync 2010 and later ask it first, at {ports}"
            yield AskedHost(f"{host}.{domain}", asked_by, "they are sent on from there without TLS" if sent_on else "")
    port = config.sections.sip.tls_port
    if port == SIPS:
        yield AskedHost(f"sipinternal.{domain}", f"clients that find no SRV record ask it at port {SIPS}", _BY_SRV)
    if port == HTTPS:
        for host in ("sip", "sipexternal"):
            name, reason = f"{host}.{domain}", f"clients that find no SRV record ask it at port {HTTPS}"
            yield AskedHost(name, reason, _BY_SRV)


def _host_of(url: str) -> str:
    return domain_of(urlsplit(url).hostname or "")


def _place(service: str) -> tuple[str, str]:
    """Give the port and the host of an SRV record."""
    _, _, port, target = service.split(maxsplit=3)
    return port, domain_of(target)


def remarks(config: Config) -> Iterator[str]:
    """Give sentences about settings with which clients do not find the server though all records are there."""
    sip, web = config.sections.sip, config.sections.web
    if not is_below(sip.server_name, sip.domain):
        yield (
            f"[sip] server_name {sip.server_name} is not in the domain {sip.domain}: Lync refuses the target of an SRV record"
            " outside of it, unless its policy DisableStrictDNSNaming is set"
        )
    for host in config.sections.pool.places(sip.tls_port):
        if not is_below(host, sip.domain):
            yield f"[pool] {host} is not in the domain {sip.domain}: Lync follows neither SRV records nor 301 to it"
    if config.sections.pool.servers and not config.sections.pool.name:
        yield "[pool] name is not set, and [pool] servers is: say which of them this server is"
    if config.is_site_chosen and web.https_port not in (0, HTTPS) and not web.http_port:
        yield f"[web] https_port is {web.https_port}: lyncdiscover and links without a port are asked for at {HTTPS}"
    if config.site and not config.is_site_chosen and not web.http_port:
        yield (
            f"[web] https_port is not set, and the site is at port {config.https_port}: clients that look for"
            f" {WEB_HOSTS[1]} ask at {HTTPS}, so these names are left out here and clients go by the SRV records;"
            f" https_port = {HTTPS}, or http_port = {HTTP} beside it, lets them find it by these names too"
        )
    if not sip.tls_port:
        yield "[sip] tls_port is 0: clients that use TLS do not find this server"


@dataclass(frozen=True, slots=True)
class ClientQuestion:
    """Something that clients ask DNS, whether or not it has to be there."""

    name: str
    is_service: bool
    """Whether SRV records are asked for; else addresses."""

    who: str


def questions(config: Config) -> Iterator[ClientQuestion]:
    """Give all that clients of each domain ask who were told no server, in their order."""
    for domain in config.sections.sip.all_domains:
        for host in WEB_HOSTS:
            yield ClientQuestion(f"{host}.{domain}", is_service=False, who="Lync 2010 and later, over HTTPS")
        for service, who in SERVICES.items():
            yield ClientQuestion(f"{service}.{domain}", is_service=True, who=who)
        for host in SIP_HOSTS:
            yield ClientQuestion(f"{host}.{domain}", is_service=False, who="clients that find no SRV record")


def misled(asked: ClientQuestion, found: Sequence[str], server: Sequence[str], needed: Sequence[DnsRecord]) -> str:
    """Say how an answer leads clients elsewhere; "": it does not.

    Args:
        asked: The question.
        found: Of services as `DnsRecord.value`, else addresses.
        server: Those of this server, and of the others of the pool.
        needed: The records that there should be; what is wrong with one of these is said beside it.
    """
    if not found or any(one.name == asked.name for one in needed):
        return ""
    if not asked.is_service:
        return "" if set(found) & set(server) else "that is another server: remove it, or correct it"
    ours = {_place(one.value) for one in needed if one.kind is RecordKind.SRV}
    foreign = [one for one in found if _place(one) not in ours and _place(one)[1] != domain_of(NO_SERVICE)]
    return "nothing of this server listens there: remove it, or correct it" if foreign else ""


def judged(record: DnsRecord, found: Sequence[str], server: Sequence[str], also: Collection[str] = ()) -> Judgement:
    """Compare a record with what DNS has.

    Args:
        record: What is needed.
        found: Of an SRV record the values under its name, as `DnsRecord.value`; of others the addresses to which the name leads.
        server: The addresses to which `[sip] server_name` leads; where CNAME records should lead, too.
        also: Values of other records that belong under its name: the other servers of the pool, and other addresses of this one.
    """
    if not found:
        return Judgement(good=False, words="missing")
    told = ", ".join(sorted(found))
    if record.kind is RecordKind.SRV:
        if any(_place(one)[1] == domain_of(NO_SERVICE) for one in found):
            words = f"wrong: it is {told}, by which the domain says that it has no such service; clients do not look further"
            return Judgement(good=False, words=words)
        # Clients take priority and weight as they are; most use the first answer alone.
        if _place(record.value) not in map(_place, found):
            return Judgement(good=False, words=_instead(told, [one for one in found if one not in also]))
        right = {_place(record.value), *map(_place, also)}
        wrong = [one for one in found if _place(one) not in right]
        return Judgement(good=not wrong, words=f"there, but beside {', '.join(sorted(wrong))}" if wrong else "there")
    is_alias = record.kind is RecordKind.CNAME
    leads = set(server) if is_alias else {str(ip_address(record.value))}
    if not leads & set(found):
        return Judgement(good=False, words=f"wrong: it leads to {told}")
    beside = ", ".join(sorted(set(found) - leads - set(also)))
    if not beside:
        return Judgement(good=True, words="there")
    if is_alias:
        # Clients take any of them, and fail as often as it is one where the server is not.
        return Judgement(good=False, words=f"there, but beside {beside}")
    # It may be the server's, too, or that of another server of the pool.
    return Judgement(good=True, words=f"there, beside {beside}, where clients have to find this server, too")


def _instead(told: str, foreign: Sequence[str]) -> str:
    """Say what stands where a target is missing: others of the pool do not take its place."""
    return f"wrong: it is {told}" if foreign else f"missing beside {told}"
