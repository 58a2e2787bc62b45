"""Builds the backends, the hall, the workloads and the wire, and introduces them to one another."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.error import ReactorNotRunning

from lyncpy.app.anew import starter
from lyncpy.app.backends import Backends, backends, node_name, place_here
from lyncpy.app.config import Config
from lyncpy.app.database_lock import database_lock
from lyncpy.app.discovery import asked_hosts
from lyncpy.app.examination import Examination
from lyncpy.app.followed_files import FollowedFiles, Following
from lyncpy.app.hall import Pipeline, PlatformParts, entrance, ground
from lyncpy.app.log_levels import LogLevels
from lyncpy.app.members_check import announcer_reasons
from lyncpy.app.process import ParentLine
from lyncpy.app.schemes import Credentials, schemes
from lyncpy.app.server_words import server_words
from lyncpy.app.site_files import of_certificate, of_icon, of_operators
from lyncpy.app.surroundings import ALONE, Conditions, Surroundings
from lyncpy.app.tables import TableMeters
from lyncpy.app.units import RevocationUnit, TokenOwnersUnit
from lyncpy.auth.http_kerberos import TicketHandshakes
from lyncpy.auth.http_ntlm import NtlmHandshakes
from lyncpy.auth.passwords import Passwords
from lyncpy.backends.threads import Threads
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.http import HttpResource
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.workload import IUnit, IWorkload, Offer
from lyncpy.core.conditions import ConditionWatch
from lyncpy.core.forward import RingTimes
from lyncpy.core.lockouts import Lockouts
from lyncpy.core.node_drain import DrainedConnections, HandOver, NodeDrain
from lyncpy.core.nodes import Nodes
from lyncpy.core.pages import PageLayout
from lyncpy.core.timers import Timers
from lyncpy.core.unit import CLOSE_TIMEOUT_S, UnitGroup
from lyncpy.core.wallclock import ClockWatch
from lyncpy.wire.certificate import Certificate, CertificateWatch
from lyncpy.wire.files import OpenFiles
from lyncpy.wire.http import HttpFactory
from lyncpy.wire.http_door import HttpDoor
from lyncpy.wire.listener import Connections, Listener
from lyncpy.wire.operators import OperatorsAuthority
from lyncpy.workloads.admin.service import Admin, ServerControl
from lyncpy.workloads.archive.service import Archive, ArchiveFiles
from lyncpy.workloads.conferencing.bodies.pages import MeetingPages
from lyncpy.workloads.conferencing.service import Conferencing
from lyncpy.workloads.contacts.service import Contacts
from lyncpy.workloads.directory.photos import Photos
from lyncpy.workloads.directory.service import Directory, DirectoryOrigin
from lyncpy.workloads.im.service import Im
from lyncpy.workloads.monitoring.pages import MonitoringPages
from lyncpy.workloads.monitoring.service import Monitoring
from lyncpy.workloads.monitoring.siblings import Siblings
from lyncpy.workloads.presence.service import Presence
from lyncpy.workloads.provisioning.service import Provisioning, ServiceUrls
from lyncpy.workloads.registrar.service import Registrar
from lyncpy.workloads.tracing.service import Tracing
from lyncpy.workloads.voice.service import Voice, VoicePlaces, dial_plans
from lyncpy.workloads.web.front_page import FrontPage
from lyncpy.workloads.web.icon import IconFile
from lyncpy.workloads.web.readers import Readers, Tokens
from lyncpy.workloads.web.site import Site
from lyncpy.workloads.webservices.discovery_service import SignInPlace
from lyncpy.workloads.webservices.service import ServiceKeys, WebServices

Reload = Callable[[], Awaitable[Sequence[str]]]
"""Reads the configuration again; gives sentences."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """Floor 4, but for the shell, which shows all of it."""

    directory: Directory
    registrar: Registrar
    presence: Presence
    contacts: Contacts
    provisioning: Provisioning
    archive: Archive
    conferencing: Conferencing
    voice: Voice
    im: Im
    monitoring: Monitoring
    webservices: WebServices
    tracing: Tracing

    def in_order(self) -> Sequence[IWorkload]:
        """Give them in the order in which they are opened."""
        return (
            self.directory,
            self.registrar,
            # Before presence, which asks what is on a list when it hears that the list has changed.
            self.contacts,
            self.presence,
            self.provisioning,
            self.archive,
            self.conferencing,
            self.voice,
            self.im,
            self.monitoring,
            self.webservices,
            self.tracing,
        )


@dataclass(frozen=True, slots=True)
class ServerParts:
    """All but the doors."""

    ground: PlatformParts
    entrance: Pipeline
    workloads: Workloads
    site: Site
    drain: NodeDrain
    units: tuple[IUnit, ...]
    """In the order in which they are opened."""

    watch: ConditionWatch
    tables: TableMeters


@dataclass(frozen=True, slots=True)
class BuiltServer:
    """The server with all its units, not open yet, and the parts that its keeper needs."""

    house: UnitGroup
    listener: Listener
    inside: ServerParts
    examination: Examination
    followed: Sequence[FollowedFiles[Any]]  # Any: what each reads is its own

    def look_at(self, config: Config) -> None:
        """Examine this machine by other settings from now on, and take up what is new in its files."""
        for each in self.followed:
            each.reload()
        self.examination.config = config
        self.inside.watch.examine()


def build(
    config: Config,
    reactor: Any,
    wall: Callable[[], float],
    reload: Reload,
    found: Sequence[Finding] = (),
    parent: ParentLine | None = None,
    levels: LogLevels | None = None,
) -> BuiltServer:
    """Build the whole house; nothing is opened.

    Args:
        config: Checked settings.
        reactor: The one reactor; Any, because it is several interfaces.
        wall: Seconds since the epoch.
        reload: What the shell's `reload` does; gives sentences.
        found: What is wrong with the machine, and keeps nobody from a start.
        parent: The line to the parent, where this is one of several processes.
        levels: Decides what the log tells.

    Raises:
        ConfigError, CertificateUnusable, StoreUnavailable: With a sentence that names setting and remedy.
    """
    sip, web = config.sections.sip, config.sections.web

    def now() -> datetime.datetime:
        return datetime.datetime.fromtimestamp(wall(), datetime.UTC)

    node, timers = node_name(), Timers(reactor, wall)
    back = backends(config, node, timers, reactor, begin_anew=starter())
    reading = Threads(reactor, "certificate files")
    certificate, operators, watches = None, None, list[CertificateWatch]()
    icon = IconFile(config.path(web.icon) if web.icon else None)
    following: list[Following[Any]] = [of_icon(icon)]
    if sip.tls_port or config.https_port:
        certificate = Certificate(sip, config.home, now)
        names = (sip.server_name, *(host.name for host in asked_hosts(config)))
        watches.append(CertificateWatch(certificate, timers, back.meter))
        following.append(of_certificate(certificate, names, now))
        if web.operators_port:
            operators = OperatorsAuthority(certificate, config.path(web.operators_authority))
            following.append(of_operators(operators))
    followed = [FollowedFiles(one, reading.call_in_thread, timers) for one in following]
    examination = Examination(config, Threads(reactor, "conditions"), now)
    conditions = [one.conditions for one in watches] + [one.conditions for one in followed]
    conditions += [] if parent is None else [parent.conditions]
    surroundings = Surroundings(
        tuple(conditions),
        found,
        examination.findings,
        partial(_end, reactor),
        parent,
        levels or LogLevels(),
        reading.call_in_thread,
        icon,
    )
    shown = None if certificate is None else certificate.current
    within = inside(config, node, back, timers, reactor, reload, surroundings, shown)
    site = within.site
    listener = _listener(config, reactor, within, certificate, timers, surroundings)
    doors: list[IUnit] = [*watches, *followed, listener]
    if certificate is not None and config.https_port:
        relays = Relays(sip.relays, send_proxy=sip.relays_send_proxy)
        factory = HttpFactory(site.serve, web, back.meter, timers, relays, site.forget, site.refusal)
        granted = lambda: listener.granted.web  # noqa: E731 - it is not known before the listener has opened
        handshakes = within.ground.flows.handshakes
        doors.append(HttpDoor(reactor, factory, certificate, granted, operators, handshakes, surroundings.handed))
    # Of a PostgreSQL database there may be several servers, each with its lease.
    locks = [database_lock(config)] if config.sections.store.is_sqlite else []
    # Each of what may take its time has its own bound, which is to come first.
    patience_s = max(config.sections.store.close_s, config.sections.limits.drain_s) + 2.0
    within.tables.look_at(within, doors, back)
    house = UnitGroup([*locks, *within.units, *doors], reactor, max(CLOSE_TIMEOUT_S, patience_s))
    return BuiltServer(house, listener, within, examination, followed)


def _listener(
    config: Config,
    reactor: Any,  # Any: as above
    within: ServerParts,
    certificate: Certificate | None,
    timers: Timers,
    surroundings: Surroundings,
) -> Listener:
    """Build what accepts clients' connections; of one that leaves, others of its machine take whoever comes."""
    sip, web = config.sections.sip, config.sections.web
    files = OpenFiles(sip.connections, web.connections if config.https_port else 0, config.sections.admin.open_files)
    flows, sink = within.ground.flows, within.entrance.transactions
    listener = Listener(reactor, flows, sink, certificate, sip, timers, files, surroundings.handed)
    listener.passes_by = partial(surroundings.has_others, within.ground.places)
    return listener


def _end(reactor: Any) -> None:  # Any: as above
    """Have the process end in order."""
    with suppress(ReactorNotRunning):  # it is ending
        reactor.stop()


def inside(
    config: Config,
    node: NodeName,
    back: Backends,
    timers: Timers,
    reactor: Any,  # Any: as above
    reload: Reload,
    surroundings: Surroundings = ALONE,
    credentials: Credentials | None = None,
) -> ServerParts:
    """Build all but the doors on backends, whichever they are.

    Args:
        config: Checked settings.
        node: This process, and this start of it.
        back: The backends.
        timers: Deadlines and clocks.
        reactor: The one reactor.
        reload: As of `build`.
        surroundings: What is known of the machine.
        credentials: Of the server's connections; None: there are none with TLS.
    """
    base = ground(config, node, back, timers, reactor)
    floor = _workloads(config, back, base)
    workloads = floor.in_order()
    offers = [workload.offer for workload in workloads]
    proofs = schemes(config, back, base, floor.webservices, credentials)
    way_in = entrance(config, base, floor.conferencing.guests, proofs.offered, offers)
    readers = _readers(config, back, base)
    drain = _drain(config, back, base, way_in, (floor.conferencing.hand_over,), surroundings.end)
    hall = _of_hall(back, base, way_in, drain, surroundings.conditions)
    asks = [(offer.name, ask) for offer in (*offers, hall) for ask in offer.conditions]
    asks.append(("im", lambda: announcer_reasons(config, base.platform.people)))
    watch = ConditionWatch(asks, surroundings.examine, surroundings.found, back.meter, timers)
    known = {"config": config, "ground": base, "entrance": way_in, "backends": back}
    known |= {workload.name: workload for workload in workloads}
    words = server_words(config, back, credentials, floor.webservices.issued_to_people, surroundings, timers, reactor)
    shown = [*offers, hall, Offer("conditions", commands=watch.commands()), words]
    control = _control(config, reload, watch, surroundings)
    admin = Admin(base.platform, shown, config.home, config.sections.admin, reactor, control, known)
    tables = TableMeters(config.sections, back.meter, timers)
    back.meter.gauge("lyncpy_core_timers_count", "Deadlines that are set, and work that waits.", timers.__len__)
    pages = [
        *_pages(back, surroundings.parent, watch).rows(),
        *_people_pages(config, floor.conferencing, surroundings.icon),
    ]
    units = (
        *back.units,
        ClockWatch(back.store, timers, timers.clock),
        base.platform.sweep,  # before anything of what it covers is read
        base.recording,
        Connections(base.flows),
        base.notifier,
        *base.between_nodes,
        RevocationUnit(back.bus, way_in.gate),
        *workloads,
        *proofs.units,
        # Behind the directory, which gives people of a directory with another name other keys.
        base.signins.tries.places,
        admin,
        TokenOwnersUnit(readers),
        watch,
        drain,
        way_in.draining,
    )
    site = _site(config, back, readers, [*workloads, admin], pages)
    tables.look_at(base, way_in, site, units, back)
    return ServerParts(base, way_in, floor, site, drain, units, watch, tables)


def _drain(
    config: Config,
    back: Backends,
    base: PlatformParts,
    way_in: Pipeline,
    hand_over: Sequence[HandOver],
    end: Callable[[], None],
) -> NodeDrain:
    """Build what has this server leave the others."""
    return NodeDrain(
        back.nodes,
        base.places,
        DrainedConnections(base.flows, way_in.transactions.is_asked, base.outbound.is_asking),
        back.bus,
        base.timers,
        drain_s=config.sections.pool.drain_s,
        hand_over=hand_over,
        end=end,
    )


def _pages(back: Backends, parent: ParentLine | None, watch: ConditionWatch) -> MonitoringPages:
    """Build what programs that watch the server are shown: of several processes, all of them."""
    siblings = None if parent is None else Siblings(back.bus, parent.siblings, back.meters, watch.present)
    return MonitoringPages(back.meters, watch.present, siblings)


def _workloads(config: Config, back: Backends, base: PlatformParts) -> Workloads:
    """Build the workloads, each after those whose promises it needs."""
    settings, platform, signaling = config.sections, base.platform, base.signaling
    domains = settings.sip.all_domains
    photos = _photos(config, back, base)
    plans = dial_plans(platform, base.tables.meanings, settings.voice)
    origin = DirectoryOrigin(back.directory, back.notices, config.directories, plans.listed)
    directory = Directory(platform, base.tables, origin, back.seals, settings.directory, photos)
    registrar = Registrar(
        platform,
        signaling,
        base.registrations,
        settings.registrar,
        base.places,
        brings_together=settings.pool.bring_together,
    )
    contacts = Contacts(platform, signaling, settings.contacts)
    presence = Presence(platform, signaling, contacts, domains, settings.presence)
    media = ArchiveFiles(back.ledger, back.stamps, back.exports, back.gap_file)
    archive = Archive(platform, media, settings.archive, close_s=settings.store.close_s)
    patience = RingTimes(settings.im.invite_silent_s, settings.im.ringing_s)
    outside = VoicePlaces(domains, settings.sip.server_name, back.peers, lambda text: str(config.path(text)))
    voice = Voice(platform, signaling, base.tables.meanings, plans, outside, settings.voice, presence, patience)
    # The IM MCU moves what the focus lets in: the focus is given its road, and tells the MCU whom to tell who left.
    im = Im(platform, signaling, presence, archive, voice.numbers, voice.calls, settings.im)
    roads = [im.chat]
    conferencing = Conferencing(platform, signaling, roads, presence, archive, domains, settings.conferencing)
    monitoring = Monitoring(platform, signaling, back.meters, settings.monitoring)
    offered = (*conferencing.offer.provisions, *voice.offer.provisions)
    guests = settings.conferencing.guests
    trust = ServiceKeys(base.tables.secrets, back.seals, back.stamps, back.key_pairs, _offers_ntlm(config))
    place = SignInPlace({domain: settings.sip.name_for(domain) for domain in domains}, settings.sip.tls_port)
    book = base.tables.address_book
    groups = settings.provisioning.groups_in_contacts > 0
    webservices = WebServices(
        platform, trust, config.site, place, book, photos, settings.webservices, finds_groups=groups
    )
    provisioning = Provisioning(
        platform,
        signaling,
        offered,
        settings.provisioning,
        mcus={road.mcu.kind for road in roads},
        guests=guests,
        urls=ServiceUrls(webservices.address_book_url, webservices.photos_url),
        calls=voice.settable,
    )
    return Workloads(
        directory=directory,
        registrar=registrar,
        presence=presence,
        contacts=contacts,
        provisioning=provisioning,
        archive=archive,
        conferencing=conferencing,
        voice=voice,
        im=im,
        monitoring=monitoring,
        webservices=webservices,
        tracing=Tracing(platform, signaling, back.traces, back.homer, settings.tracing),
    )


def _photos(config: Config, back: Backends, base: PlatformParts) -> Photos | None:
    """Build what has people's photos, where clients are told to show them and the directory has any."""
    told = config.sections.provisioning
    if back.photos is None or told.photos == "NoPhoto" or not told.photo_size_kb:
        return None
    return Photos(back.photos, base.tables.people, told.photo_size_kb * 1024, base.timers)


def _of_hall(back: Backends, base: PlatformParts, way_in: Pipeline, drain: NodeDrain, conditions: Conditions) -> Offer:
    """Give the commands and findings of the core, which no workload offers."""
    places, timers = base.places, base.timers
    nodes = Nodes(back.nodes, back.bus, base.registrations, timers, places, lambda: drain.departure, place_here())
    return Offer(
        "hall",
        commands=(
            *Lockouts(base.signins.tries, base.tables.people, base.timers).commands(),
            *nodes.commands(),
            *way_in.transactions.refusals.commands(),
        ),
        reasons=(base.signins.reasons, way_in.transactions.refusals.reasons),
        states=(base.recording.states, base.platform.sweep.states, way_in.transactions.states, *back.states),
        conditions=(
            *conditions,
            *back.conditions,
            drain.conditions,
            base.cut_off.conditions,
            base.platform.sweep.conditions,
        ),
    )


def _offers_ntlm(config: Config) -> bool:
    """Tell whether passwords are proved by NTLM over HTTP."""
    chosen = config.sections.webservices.ntlm
    if chosen is None:
        return bool(config.sections.auth.ntlm_auth) or not all(one.hides_hashes for one in config.directories)
    return chosen


def _readers(config: Config, back: Backends, base: PlatformParts) -> Readers:
    """Build the readers, which tell from whom an HTTP request is."""
    tables, platform, sections = base.tables, base.platform, config.sections
    passwords = Passwords(tables.people, tables.secrets, base.timers, back.passwords)
    sip, auth = sections.sip, sections.auth
    ntlm = (
        NtlmHandshakes(
            tables.people, tables.secrets, auth, sip.server_name, sip.domain, config.site, base.timers, back.ntlm
        )
        if _offers_ntlm(config)
        else None
    )
    tokens = Tokens(config.path(sections.web.readers_file))
    tickets = None if back.tickets is None else TicketHandshakes(back.tickets, tables.people, base.timers)
    return Readers(passwords, ntlm, tables.people, base.signins, platform.writers, tokens, tables.meanings, tickets)


def _site(
    config: Config, back: Backends, readers: Readers, workloads: Sequence[IWorkload], pages: Sequence[HttpResource]
) -> Site:
    """Build the site of all HTTP resources that the workloads offer, and of these pages."""
    web = config.sections.web
    offered = [resource for workload in workloads for resource in workload.offer.resources]
    return Site([*offered, *pages], readers, web.origins, back.meter)


def _control(config: Config, reload: Reload, watch: ConditionWatch, around: Surroundings) -> ServerControl:
    """Give what the shell may do to the server, and what it is told of it."""
    organisation = organisation_of(config)
    return ServerControl(reload, watch.now, around.stop, around.absent, config.site, organisation, around.handed)


def organisation_of(config: Config) -> str:
    """Say whose server this is, as pages call it."""
    return config.sections.web.organisation or config.sections.sip.all_domains[0]


def _people_pages(config: Config, conferencing: Conferencing, icon: IconFile) -> Sequence[HttpResource]:
    """Build what people see in a browser: the front page, and those behind meeting links."""
    sections = config.sections
    domains = sections.sip.all_domains
    look = PageLayout(organisation_of(config))
    front = FrontPage(domains, look, icon)
    links = MeetingPages(conferencing.link, domains[0], sections.conferencing.meeting_url, look, front.answer)
    return (*front.rows(), *links.rows())
