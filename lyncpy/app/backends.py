"""Chooses what keeps the promises of store, records, bus, directory and meter, as the configuration says."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.app.config import Config, ConfigError
from lyncpy.app.store_watch import StoreWatch
from lyncpy.auth.proofs import server_names
from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.directories import Directories, DirectoriesPasswords, DirectoriesPhotos, JoinedDirectory
from lyncpy.backends.exports import Exports
from lyncpy.backends.gapfile import GapFile
from lyncpy.backends.homer import Homer
from lyncpy.backends.kerberos import WAITING_BYTES, KerberosMissing, KerberosTickets
from lyncpy.backends.key_pairs import KeyPairs
from lyncpy.backends.ldap import LdapDirectory
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.ldap_notices import LdapNotices, NoticeConnection
from lyncpy.backends.ldap_passwords import LdapPasswords
from lyncpy.backends.ldap_photos import LdapPhotos
from lyncpy.backends.media_engines import MediaEngines
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.backends.ntlm_auth import NtlmAuth
from lyncpy.backends.openmetrics import OpenMetrics
from lyncpy.backends.people import PeopleFile
from lyncpy.backends.retention import Retention
from lyncpy.backends.sealing import Sealer
from lyncpy.backends.settings import Settings as StoreSettings
from lyncpy.backends.sql.database import WRITES, Database
from lyncpy.backends.sql.leases import SqlLeases
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.backends.threads import Threads
from lyncpy.backends.trace_files import TraceFiles
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.archive import IExports, IGapFile, ILedger, IStamps
from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IDirectory, IDirectoryNotices, IDirectoryPasswords, Person, directory_of
from lyncpy.contracts.group_commit import Commit, IGroupCommit, Queues
from lyncpy.contracts.kerberos import ITickets
from lyncpy.contracts.media import IMediaEngines
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import ILeases, INodes
from lyncpy.contracts.ntlm import INtlmVerifier
from lyncpy.contracts.peers import IPeerWire
from lyncpy.contracts.photos import IPhotoSource
from lyncpy.contracts.records import IRecords
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.seals import IKeyPairs, Seals
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.store import IStore, IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.tracing import IHomer, ITraceFiles
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.group_commit import GroupCommit, GroupCommitTerms
from lyncpy.core.node_lease import LeasedNode, OnlyNode
from lyncpy.core.timers import Timers
from lyncpy.wire.peers import PeerWire
from lyncpy.workloads.directory.settings import DirectorySource

_log: Final = Logger()


@dataclass(frozen=True, slots=True)
class Backends:
    """Floor 3 as the configuration chooses it."""

    store: IStore
    volatile: IVolatileStore
    records: IRecords
    bus: IBus
    nodes: INodes
    meter: IMeter
    directory: IDirectory
    seals: Seals
    key_pairs: IKeyPairs
    ledger: ILedger
    stamps: IStamps
    exports: IExports
    gap_file: IGapFile
    traces: ITraceFiles
    homer: IHomer
    peers: IPeerWire
    untold: Callable[[], int] = int
    """Gives the number of facts that other servers could not be told."""

    meters: Callable[[], bytes] = bytes
    """Gives all meters as OpenMetrics text."""

    passwords: IDirectoryPasswords | None = None
    """Checks passwords that the directory keeps; None: only those kept here count."""

    ntlm: INtlmVerifier | None = None
    """Verifies NTLM of people whose password a Windows domain has; None: only hashes kept here count."""

    photos: IPhotoSource | None = None
    """Where photos of people are; None: nowhere."""

    notices: Mapping[str, IDirectoryNotices] = field(default_factory=dict)
    """Where directories tell of changes, by their names."""

    tickets: ITickets | None = None
    """Verifies Kerberos tickets; None: nobody signs in with one."""

    media: IMediaEngines | None = None
    """Moves the sound of calls with telephones; None: nothing does."""

    units: tuple[IUnit, ...] = ()
    """What has to be open before the rest."""

    conditions: tuple[Callable[[], Sequence[Reason]], ...] = ()
    """What is wrong with them."""

    states: tuple[Callable[[], Sequence[tuple[str, object]]], ...] = ()
    """Rows of `status` about them."""


WRITE_PACE_S: Final = 0.003
"""From one commit of the store to the next while several wait for each: a sync and two changes of the thread cost as
much as writing a few records does."""


def queues(settings: StoreSettings, timers: ITimers, meter: IMeter, write_pace_s: float = WRITE_PACE_S) -> Queues:
    """Give what builds the queues of a store, each with a bound in number, and that of its writes with a pace."""
    # A disk that hangs takes the machine with it; a server elsewhere may, and be the only one that does.
    answer_s = None if settings.is_sqlite else 2.0 * settings.statement_s

    def queue(name: str, commit: Commit, on_trouble: Callable[[str], None]) -> IGroupCommit:
        terms: GroupCommitTerms[Any] = GroupCommitTerms(  # Any: jobs of all kinds
            "the store",
            Shares(settings.waiting_max, {}, {TOTAL: "store.waiting_max"}),
            # A read costs the disk nothing that others could share.
            pace_s=write_pace_s if name == WRITES else 0.0,
            paces_alone=False,
            answer_s=answer_s,
            on_trouble=on_trouble,
        )
        return GroupCommit(name, commit, terms, timers, meter)

    return queue


def node_name() -> NodeName:
    """Name this process, and this start of it."""
    return NodeName(f"n{secrets.token_hex(4)}")


def backends(
    config: Config,
    node: NodeName,
    timers: Timers,
    reactor: Any,  # Any: a reactor is several interfaces
    *,
    begin_anew: Callable[[], None] | None = None,
) -> Backends:
    """Choose and build what keeps the promises of store, records, bus, directory and meter.

    Args:
        config: Checked settings.
        node: This process.
        timers: The clocks.
        reactor: The one reactor.
        begin_anew: Of a server: starts this process anew, under another name, when others take it for dead. None: it is a
            program that does a thing and ends, and joins nobody.
    """
    settings = config.sections
    meter = OpenMetrics()
    database = _database(config, timers, meter, reactor)
    several = [_one_directory(config, terms, timers, reactor) for terms in config.directories]
    directory, photos = _joined(several, reactor)
    store, records = SqlStore(database, timers.steady), SqlRecords(database)
    volatile, bus = _volatile(settings.store, database, timers, reactor), _bus(config, node, timers, reactor, meter)
    connected = volatile.look_again if isinstance(volatile, SqlVolatileStore) else _nothing
    nodes = _nodes(config, node, SqlLeases(database, connected), bus, timers, begin_anew)
    others, sealer = [bus] if isinstance(bus, NatsBus) else [], Sealer(config.path(settings.store.key_file))
    exports = Exports(config.path(settings.archive.export_folder), Threads(reactor, "exports"))
    watch = StoreWatch(database.size, store, settings.store, meter, timers)
    gap_file, media = _gap_file(config, reactor), _media(config, timers, reactor, meter)
    traces = TraceFiles(config.path(settings.tracing.folder), Threads(reactor, "traces"))
    homer = Homer(settings.tracing.homer, reactor)
    tickets, passwords, ntlm = _tickets(config, reactor), _passwords(several), _ntlm(config, timers, reactor)
    return Backends(
        store=store,
        volatile=volatile,
        records=records,
        bus=bus,
        nodes=nodes,
        untold=lambda: sum(one.untold() for one in others),
        meter=meter,
        directory=directory,
        seals=sealer,
        key_pairs=KeyPairs(Threads(reactor, "keys")),
        ledger=SqlLedger(database),
        stamps=sealer,
        exports=exports,
        gap_file=gap_file,
        traces=traces,
        homer=homer,
        peers=PeerWire(reactor, meter),
        meters=meter.render,
        passwords=passwords,
        ntlm=ntlm,
        photos=photos,
        notices={one.terms.name: one.notices for one in several if one.notices is not None},
        tickets=tickets,
        media=media,
        units=(
            database,
            *others,
            *(() if begin_anew is None else (nodes, watch, media)),
            Retention(database, store, volatile, records, settings.store, timers, nodes),
            *(exports, gap_file, traces, homer),
            *(unit for unit in (tickets, passwords, ntlm) if unit is not None),
        ),
        conditions=(*_conditions([database, watch, *others], nodes, several), media.conditions),
        states=(*(one.states for one in others), media.states),
    )


def _gap_file(config: Config, reactor: Any) -> GapFile:  # Any: as above
    """Build what keeps that the archive has a gap."""
    return GapFile(config.path(config.sections.archive.gap_file), Threads(reactor, "gap"))


def _media(config: Config, timers: Timers, reactor: Any, meter: IMeter) -> MediaEngines:  # Any: as above
    """Build what speaks with the media engines, if any are named."""
    settings = config.sections.media
    return MediaEngines([config.path(one) for one in settings.engines], settings, reactor, timers, meter)


def _database(config: Config, timers: Timers, meter: IMeter, reactor: Any) -> Database:  # Any: as above
    """Build what opens the database."""
    terms = config.sections.store
    try:
        return Database(terms, config.home, queues(terms, timers, meter), reactor)
    except StoreUnavailable as error:
        raise ConfigError([f"{config.source('store.url')}: [store] url: {error}"]) from None


def _bus(
    config: Config, node: NodeName, timers: Timers, reactor: Any, meter: IMeter
) -> MemoryBus | NatsBus:  # Any: as above
    """Build what tells facts: to this process, or to all of the deployment."""
    settings = config.sections.bus
    bus = (
        MemoryBus(node, reactor) if settings.is_memory else NatsBus(node, settings, config.home, reactor, timers, meter)
    )
    meter.gauge("lyncpy_bus_waiting_count", "Facts that wait to be heard here.", bus.__len__)
    return bus


def _nodes(
    config: Config,
    node: NodeName,
    leases: ILeases,
    bus: IBus,
    timers: Timers,
    begin_anew: Callable[[], None] | None,
) -> OnlyNode | LeasedNode:
    """Choose what knows the other servers of the database; of a file there are none."""
    settings = config.sections
    place = place_here()
    if settings.store.is_sqlite:
        return OnlyNode(node, leases, place)
    return LeasedNode(
        node,
        leases,
        place,
        bus=bus,
        timers=timers,
        lease_s=settings.pool.lease_s,
        is_connected=not settings.bus.is_memory,
        begin_anew=begin_anew or _nothing,
    )


def place_here() -> str:
    """Say where this server runs."""
    return f"{socket.gethostname()} (process {os.getpid()})"


def _nothing() -> None:
    """Join nobody, and so be taken for dead by nobody."""


def _conditions(
    always: Sequence[Database | StoreWatch | NatsBus],
    nodes: OnlyNode | LeasedNode,
    several: Sequence["_OneDirectory"],
) -> tuple[Callable[[], Sequence[Reason]], ...]:
    found = [*(one.conditions for one in always), *([nodes.conditions] if isinstance(nodes, LeasedNode) else [])]
    return (*found, *(one.directory.conditions for one in several if isinstance(one.directory, LdapDirectory)))


def _volatile(
    settings: StoreSettings, database: Database, timers: Timers, reactor: Any
) -> MemoryRecordStore | SqlVolatileStore:  # Any: as above
    """Build what is lost with the deployment: it is shared where the database is."""
    if settings.is_sqlite:
        return MemoryRecordStore(timers.steady)
    return SqlVolatileStore(database, timers.steady, reactor)


@dataclass(frozen=True, slots=True)
class _OneDirectory:
    """What is built for one directory."""

    terms: DirectorySource
    directory: IDirectory
    photos: IPhotoSource | None = None
    notices: IDirectoryNotices | None = None
    passwords: LdapPasswords | None = None


def _one_directory(
    config: Config, terms: DirectorySource, timers: Timers, reactor: Any
) -> _OneDirectory:  # Any: as above
    """Build where people of one directory come from, and what asks it about photos, changes and passwords."""
    threads, domains = Threads(reactor, f"directory {terms.name}".strip()), config.sections.sip.all_domains
    if not terms.is_ldap:
        return _OneDirectory(terms, PeopleFile(config.path(terms.url), domains, threads))
    try:
        directory = LdapDirectory(terms, domains, config.home, LdapConnection, threads, timers)
    except ValueError as error:
        raise ConfigError([f"{config.file}: [directory] {error}"]) from None
    return _OneDirectory(
        terms,
        directory,
        LdapPhotos(terms.photo, directory.access, LdapConnection, Threads(reactor, "photos"), timers)
        if terms.photo
        else None,
        LdapNotices(terms, directory.access, NoticeConnection, Threads(reactor, "directory notices"), timers),
        _binds(terms, directory, timers, reactor) if terms.binds else None,
    )


def _binds(terms: DirectorySource, directory: LdapDirectory, timers: Timers, reactor: Any) -> LdapPasswords:
    """Build what asks about passwords, in as many threads as the directory is asked at once."""  # Any: as above
    lanes = [Threads(reactor, f"password {terms.name} {number}") for number in range(terms.password_checks)]
    return LdapPasswords(terms, directory.reach, LdapConnection, lanes, timers)


def _joined(several: Sequence[_OneDirectory], reactor: Any) -> tuple[IDirectory, IPhotoSource | None]:  # Any: as above
    """Make one directory of several, and one source of photos."""
    first = several[0]
    if len(several) == 1 and not first.terms.name:
        return first.directory, first.photos
    joined = [
        JoinedDirectory(one.terms.name, one.terms.url, one.directory, keyed_members=not one.terms.is_ldap)
        for one in several
    ]
    photos = {one.terms.name: one.photos for one in several if one.photos is not None}
    names = [one.terms.name for one in several]
    return Directories(joined, Threads(reactor, "directories")), DirectoriesPhotos(photos, names) if photos else None


def _passwords(several: Sequence[_OneDirectory]) -> LdapPasswords | DirectoriesPasswords | None:
    """Give what asks the LDAP servers about passwords, where any is to be asked."""
    asked = {one.terms.name: one.passwords for one in several if one.passwords is not None}
    if len(several) == 1 and "" in asked:
        return asked[""]
    return DirectoriesPasswords(asked, [one.terms.name for one in several]) if asked else None


def _tickets(config: Config, reactor: Any) -> KerberosTickets | None:  # Any: as above
    """Build what verifies tickets, where there is a keytab; without the library people sign in by the other schemes."""
    keytab = config.sections.auth.keytab
    try:
        return KerberosTickets(config.path(keytab), Threads(reactor, "kerberos"), WAITING_BYTES) if keytab else None
    except KerberosMissing as error:
        _log.error("[auth] keytab: {reason}; until then Kerberos is not offered", reason=str(error))
        return None


def _ntlm(config: Config, timers: Timers, reactor: Any) -> NtlmAuth | None:  # Any: as above
    """Build what asks the Windows domain about NTLM, where this computer has joined one.

    Asked about are people of the Active Directories; where there is none, those of files, who are the operator's own. Of another
    LDAP server's people nobody has said that they are the domain's accounts of the same names.
    """
    auth, sip = config.sections.auth, config.sections.sip
    if not auth.ntlm_auth:
        return None
    windows = {one.name for one in config.directories if one.is_ldap and one.preset == "activedirectory"}
    asked = windows or {one.name for one in config.directories if not one.is_ldap}
    names = [one.name for one in config.directories]

    def is_of_domain(person: Person) -> bool:
        return directory_of(person.key, names) in asked

    own = server_names(auth, sip.server_name, sip.domain).netbios_domain
    return NtlmAuth(auth.ntlm_auth, own, is_of_domain, reactor, timers)
