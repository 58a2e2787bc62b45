"""Builds the backends, the hall, the workloads and the wire, and introduces them to one another."""

import datetime
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lyncpy.app.backends import Backends, backends
from lyncpy.app.claim import Claim
from lyncpy.app.config import Config
from lyncpy.app.units import Noting, Revoking
from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.digest import DigestProof
from lyncpy.auth.passwords import Passwords
from lyncpy.contracts.directory import ISecrets
from lyncpy.contracts.names import NodeName, domain_of
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.workload import IUnit, IWorkload, Offer, Provision, Reason
from lyncpy.core.dispatch import Dispatch
from lyncpy.core.draining import Draining
from lyncpy.core.forward import Forward
from lyncpy.core.gate import Gate
from lyncpy.core.homes import Homes
from lyncpy.core.locks import Locks
from lyncpy.core.notifier import Notifier
from lyncpy.core.outbound import Outbound
from lyncpy.core.places import Places
from lyncpy.core.reception import Reception
from lyncpy.core.recording import Recording
from lyncpy.core.router import Router
from lyncpy.core.signins import SignIns
from lyncpy.core.timers import Timers
from lyncpy.core.transactions import Transactions
from lyncpy.core.tries import Tries
from lyncpy.core.unit import CLOSE_TIMEOUT_S, House
from lyncpy.core.vouching import Vouching
from lyncpy.core.wallclock import ClockWatch
from lyncpy.wire.certificate import Certificate, CertificateWatch
from lyncpy.wire.files import OpenFiles
from lyncpy.wire.flows import Flows
from lyncpy.wire.http_door import HttpDoor
from lyncpy.wire.listener import Connections, Listener
from lyncpy.workloads.admin.service import Admin
from lyncpy.workloads.archive.service import Archive
from lyncpy.workloads.conferencing.service import Conferencing
from lyncpy.workloads.contacts.routes import Answer
from lyncpy.workloads.contacts.service import Contacts
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.meanings import Meanings
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.policies import Policies
from lyncpy.workloads.directory.routes import Search
from lyncpy.workloads.directory.secrets import StoredSecrets
from lyncpy.workloads.directory.service import Directory
from lyncpy.workloads.im.invitations import members_in
from lyncpy.workloads.im.service import Im
from lyncpy.workloads.monitoring.service import Monitoring
from lyncpy.workloads.presence.service import Presence
from lyncpy.workloads.provisioning.service import Provisioning
from lyncpy.workloads.registrar.bindings import Bindings
from lyncpy.workloads.registrar.service import Registrar
from lyncpy.workloads.web.front import Front
from lyncpy.workloads.web.readers import Readers, Tokens
from lyncpy.workloads.web.site import Site

Reload = Callable[[], Sequence[str]]
"""Reads the configuration again; gives sentences."""

Conditions = tuple[Callable[[], Sequence[Reason]], ...]


@dataclass(frozen=True, slots=True)
class Hall:
    """What a request meets on its way."""

    flows: Flows
    gate: Gate
    reception: Reception
    outbound: Outbound
    router: Router
    transactions: Transactions
    notifier: Notifier
    forward: Forward
    homes: Homes
    timers: Timers
    bindings: Bindings
    people: People
    groups: Groups
    policies: Policies
    meanings: Meanings
    secrets: ISecrets
    recording: Recording
    draining: Draining


@dataclass(frozen=True, slots=True)
class Built:
    """A house that is not open yet, and what its keeper needs of it."""

    house: House
    listener: Listener
    directory: Directory
    hall: Hall


def node_name() -> NodeName:
    """Name this process, and this start of it."""
    return NodeName(f"n{secrets.token_hex(4)}")


def hall(config: Config, node: NodeName, back: Backends, timers: Timers, reactor: Any) -> Hall:  # Any: as above
    """Build the hall, and the tables that it shares with workloads."""
    settings = config.sections
    sip = settings.sip
    limits, meter = settings.limits, back.meter
    place = f"{sip.server_name}:{sip.tls_port or sip.tcp_port}"
    contact = f"sip:{place};transport={'tls' if sip.tls_port else 'tcp'}"
    people = People()
    groups, meanings = Groups(people), Meanings(back.store, people.owners)
    kept = StoredSecrets(back.store, people, back.bus, back.seals, people.owners)
    # The wire is lent the gate's seal, and the gate the wire: each is asked only when both are there.
    flows = Flows(
        node,
        lambda flow, message: gate.seal(flow, message),
        sip,
        timers,
        back.meter,
        lambda call: reactor.callLater(0, call),
        strangers_total=settings.limits.unauthenticated_total,
        strangers_per_address=settings.limits.unauthenticated_per_address,
    )
    ntlm = NtlmAuthenticator(people, kept, settings.auth, sip.server_name, sip.domain, timers)
    digest = DigestProof(answer_s=settings.auth.challenge_lifetime_s, lifetime_s=settings.auth.lifetime_s)
    relays = Relays(sip.relays)
    reception = Reception(digest, flows, back.meter, settings.auth, settings.limits, timers, relays)
    tries = Tries(people, Places(back.store, timers), relays, settings.auth)
    signins = SignIns(people, tries, back.meter, timers)
    gate = Gate([ntlm], signins, flows, back.meter, settings.limits, timers, reception)
    bindings = Bindings(back.bus, timers)
    outbound = Outbound(flows, timers, limits, meter, sent_by=place, contact=bindings.contact)
    router = Router((sip.domain,), _own_hosts(config))
    serving = Dispatch(gate, router, people.owners)
    transactions = Transactions(flows, serving, gate, outbound, back.bus, timers, limits, meter, source=sip.server_name)
    notifier = Notifier(
        outbound,
        back.bus,
        contact,
        timers,
        per_flow=limits.subscriptions_per_flow,
        total=limits.subscriptions_total,
    )
    return Hall(
        flows=flows,
        gate=gate,
        reception=reception,
        outbound=outbound,
        router=router,
        transactions=transactions,
        notifier=notifier,
        forward=Forward(outbound, f"{contact};lr", Vouching(people, timers), timers),
        homes=Homes(),
        timers=timers,
        bindings=bindings,
        people=people,
        groups=groups,
        policies=Policies(settings.policies, people, groups, back.bus, meanings),
        meanings=meanings,
        secrets=kept,
        recording=Recording(back.records.keep, timers, back.meter, close_s=settings.store.close_s),
        draining=Draining(transactions, timers, settings.limits.drain_s),
    )


def _own_hosts(config: Config) -> Sequence[str]:
    """Give the names under which requests to this server itself come, with and without a port."""
    sip = config.sections.sip
    ports = [port for port in (sip.tls_port, sip.tcp_port) if port]
    hosts = [sip.server_name, "localhost", "127.0.0.1", "[::1]"]
    return [*hosts, *(f"{host}:{port}" for host in hosts for port in ports)]


@dataclass(frozen=True, slots=True)
class Inside:
    """All but the doors."""

    hall: Hall
    directory: Directory
    units: tuple[IUnit, ...]
    """In the order in which they are opened."""

    site: Site


def inside(
    config: Config,
    node: NodeName,
    back: Backends,
    timers: Timers,
    reactor: Any,  # Any: as above
    reload: Reload,
    conditions: Conditions = (),
) -> Inside:
    """Build the hall and the workloads on backends, whichever they are; `conditions` are the doors' own."""
    inner = hall(config, node, back, timers, reactor)
    directory = Directory(
        back.directory,
        back.store,
        back.bus,
        inner.people,
        inner.groups,
        inner.policies,
        inner.secrets,
        back.seals,
        config.sections.directory,
        timers,
        inner.meanings,
    )
    readers = _readers(config, inner)
    workloads = _workloads(config, node, back, inner, directory, reactor, reload, conditions)
    for workload in workloads:
        inner.router.add(workload.offer.routes)
    return Inside(
        inner,
        directory,
        (
            *back.units,
            ClockWatch(back.store, timers, timers.clock),
            inner.gate.signins.tries.places,
            inner.recording,
            Connections(inner.flows),
            inner.notifier,
            Revoking(back.bus, inner.gate),
            *workloads,
            Noting(readers),
            inner.draining,
        ),
        _site(config, back, readers, workloads),
    )


def _readers(config: Config, inner: Hall) -> Readers:
    """Build who tells who asks over HTTP."""
    passwords = Passwords(inner.people, inner.secrets, inner.timers)
    tokens = Tokens(config.path(config.sections.web.readers_file))
    return Readers(passwords, inner.people, inner.gate.signins, inner.homes, tokens, inner.meanings)


def _site(config: Config, back: Backends, readers: Readers, workloads: Sequence[IWorkload]) -> Site:
    """Gather what is offered over HTTP."""
    web = config.sections.web
    offered = [resource for workload in workloads for resource in workload.offer.resources]
    resources = [*offered, *Front(config.sections.sip.domain).rows()]
    return Site(resources, readers, web.origins, back.meter)


def build(config: Config, reactor: Any, wall: Callable[[], float], reload: Reload) -> Built:  # Any: as above
    """Build the whole house; nothing is opened.

    Args:
        config: Checked settings.
        reactor: The one reactor.
        wall: Seconds since the epoch.
        reload: What the shell's `reload` does; gives sentences.

    Raises:
        ConfigError, CertificateUnusable, StoreUnavailable: With a sentence that names setting and remedy.
    """
    sip, web = config.sections.sip, config.sections.web
    node = node_name()
    timers = Timers(reactor, wall)
    back = backends(config, node, timers, reactor)
    certificate, watches = None, []
    if sip.tls_port or web.https_port:
        certificate = Certificate(sip, config.home, lambda: datetime.datetime.fromtimestamp(wall(), datetime.UTC))
        watches.append(CertificateWatch(certificate, timers))
    within = inside(config, node, back, timers, reactor, reload, tuple(watch.conditions for watch in watches))
    files = OpenFiles(sip.connections, web.connections if web.https_port else 0, config.sections.admin.open_files)
    listener = Listener(reactor, within.hall.flows, within.hall.transactions, certificate, sip, timers, files=files)
    doors: list[IUnit] = [*watches, listener]
    if certificate is not None and web.https_port:
        doors.append(
            HttpDoor(
                reactor,
                within.site.serve,
                certificate,
                web,
                back.meter,
                timers,
                relays=Relays(sip.relays, send_proxy=sip.relays_send_proxy),
                connections=lambda: listener.granted.web,
            )
        )
    claim = Claim(config.path(config.sections.store.path))
    # Each of what may take its time has its own bound, which is to come first.
    patience_s = max(config.sections.store.close_s, config.sections.limits.drain_s) + 2.0
    house = House([claim, *within.units, *doors], reactor, max(CLOSE_TIMEOUT_S, patience_s))
    return Built(house, listener, within.directory, within.hall)


def _workloads(
    config: Config,
    node: NodeName,
    back: Backends,
    inner: Hall,
    directory: Directory,
    reactor: Any,  # Any: as above
    reload: Reload,
    conditions: Conditions,
) -> Sequence[IWorkload]:
    """Build floor 4 in the order in which it is opened."""
    settings, timers = config.sections, inner.timers
    offers: list[Offer] = []

    def provisions() -> Sequence[Provision]:
        return [provision for offer in offers for provision in offer.provisions]

    presence, contacts = _presence(config, back, inner)
    archive = _archive(config, back, inner)
    conferencing, im = _meetings(config, node, back, inner, presence, archive)
    registrar = Registrar(
        inner.bindings, back.bus, inner.outbound, inner.flows, inner.people, settings.registrar, timers
    )
    inner.outbound.on_silence = registrar.doubt
    found: list[IWorkload] = [
        directory,
        registrar,
        presence,
        contacts,
        Provisioning(
            provisions,
            inner.policies,
            inner.notifier,
            settings.provisioning,
            guests=settings.conferencing.guests,
        ),
        archive,
        conferencing,
        im,
    ]
    found.append(
        Monitoring(back.store, back.records, inner.flows, inner.bindings, back.meters, settings.monitoring, timers)
    )
    offers += [workload.offer for workload in found]
    hall_offer = _of_hall(inner, conditions)
    found.append(
        Admin(
            lambda: [*offers, hall_offer],
            back.records,
            config.home,
            settings.admin,
            timers,
            reactor,
            reload,
            house=lambda: {"config": config, "hall": inner, "backends": back, **{unit.name: unit for unit in found}},
        )
    )
    offers.append(found[-1].offer)
    return found


def _of_hall(inner: Hall, conditions: Conditions) -> Offer:
    """Give what the hall itself offers to operators."""
    signins = inner.gate.signins
    return Offer(
        "hall",
        commands=Locks(signins.tries, inner.people, inner.timers).commands(),
        reasons=(signins.reasons,),
        states=(inner.recording.states,),
        conditions=conditions,
    )


def _meetings(
    config: Config, node: NodeName, back: Backends, inner: Hall, presence: Presence, archive: Archive
) -> tuple[Conferencing, Im]:
    """Build messages and conferences: the focus decides who is in, the IM MCU moves what they say."""
    settings, timers = config.sections, inner.timers
    im = Im(
        back.records,
        inner.recording,
        back.bus,
        inner.bindings,
        inner.people,
        presence,
        inner.outbound,
        inner.forward,
        node,
        settings.im,
        timers,
        archive=archive,
        members_of=members_in(inner.groups, settings.im.group_members),
    )
    conferencing = Conferencing(
        back.store,
        back.records,
        inner.recording,
        back.bus,
        inner.people,
        inner.policies,
        inner.bindings,
        inner.notifier,
        inner.outbound,
        inner.forward,
        presence,
        inner.homes,
        [im.mcu],
        node,
        settings.conferencing,
        timers,
        domain=domain_of(settings.sip.domain),
        archive=archive,
        owners=inner.people.owners,
    )
    im.mcu.listen(conferencing.foci)
    inner.reception.listen(conferencing.guests)
    return conferencing, im


def _presence(config: Config, back: Backends, inner: Hall) -> tuple[Presence, Contacts]:
    """Build presence and contacts, which need each other."""
    # Contacts have the one route of SOAP, presence answers some of it, and asks who is whose contact.
    soap: dict[str, Answer] = {"directorySearch": Search(inner.people, inner.timers).answer}
    contacts = Contacts(
        back.store,
        back.bus,
        inner.people,
        inner.groups,
        inner.homes,
        inner.notifier,
        config.sections.contacts,
        inner.timers,
        soap=soap,
        owners=inner.people.owners,
    )
    presence = Presence(
        back.store,
        back.bus,
        inner.bindings,
        inner.people,
        contacts,
        inner.policies,
        inner.notifier,
        inner.homes,
        (domain_of(config.sections.sip.domain),),
        config.sections.presence,
        inner.timers,
        inner.people.owners,
    )
    soap.update(presence.soap)
    return presence, contacts


def _archive(config: Config, back: Backends, inner: Hall) -> Archive:
    """Build what keeps what was said."""
    settings = config.sections.archive
    return Archive(
        back.ledger,
        back.stamps,
        back.exports,
        back.gap_file,
        inner.policies,
        inner.people,
        back.meter,
        settings,
        inner.timers,
        inner.people.owners,
        close_s=config.sections.store.close_s,
    )
