"""Builds what stands between the wire and the workloads: what all of them share, and the way in to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lyncpy.app.backends import Backends
from lyncpy.app.config import Config
from lyncpy.app.discovery import own_host
from lyncpy.auth.digest import DigestProof
from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.authenticator import IAuthenticator
from lyncpy.contracts.guests import IGuests
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.workload import IUnit, Offer
from lyncpy.core.anonymous import AnonymousGate
from lyncpy.core.asserted_identity import AssertedIdentity
from lyncpy.core.called_as import CalledAs
from lyncpy.core.cut_off import CutOff
from lyncpy.core.deposits import Deposits
from lyncpy.core.dispatch import Dispatch, TransactionUser
from lyncpy.core.draining import Draining
from lyncpy.core.forward import Forward
from lyncpy.core.gate import Gate
from lyncpy.core.homes import Homes
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.known_networks import KnownNetworks
from lyncpy.core.node_channel import NodeChannels
from lyncpy.core.node_places import NodePlaces
from lyncpy.core.notifier import Notifier
from lyncpy.core.operations import Operations
from lyncpy.core.outbound import Outbound
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.record_queue import RecordQueue
from lyncpy.core.relay import Relay, RelayedRequests
from lyncpy.core.remote_flows import FlowHost, RemoteFlows
from lyncpy.core.router import Router, route_of
from lyncpy.core.shared_tries import SharedTries
from lyncpy.core.signins import SignIns
from lyncpy.core.sweep import Sweep
from lyncpy.core.timers import Timers
from lyncpy.core.transactions import Transactions
from lyncpy.core.tries import SignInTries
from lyncpy.wire.flows import Flows
from lyncpy.wire.polling import at_turns_end
from lyncpy.workloads.directory.accounts import Accounts
from lyncpy.workloads.directory.address_book import AddressBook
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.meanings import Meanings
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.policies import Policies
from lyncpy.workloads.directory.secrets import StoredSecrets
from lyncpy.workloads.directory.service import Tables
from lyncpy.workloads.directory.user_changes import UserTools
from lyncpy.workloads.registrar.registrations import Registrations


@dataclass(frozen=True, slots=True)
class PlatformParts:
    """The parts under all workloads, by their classes; workloads are given them as promises."""

    platform: Platform
    signaling: Signaling
    flows: Flows
    outbound: Outbound
    notifier: Notifier
    channels: NodeChannels
    flow_host: FlowHost
    cut_off: CutOff
    recording: RecordQueue
    timers: Timers
    relays: Relays
    signins: SignIns
    places: NodePlaces
    """Where clients reach each server by itself."""

    registrations: Registrations
    """Who is signed in where: the registrar writes it."""

    tables: Tables
    """The tables of people: the directory writes them."""

    @property
    def between_nodes(self) -> tuple[IUnit, ...]:
        """What works with other nodes, in the order in which it is opened."""
        shared = self.signins.shared
        return self.flow_host, self.cut_off, self.places, shared, self.signaling.deposits, self.signaling.homes


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a request meets on its way from the wire to a workload."""

    gate: Gate
    anonymous_gate: AnonymousGate
    router: Router
    transactions: Transactions
    relayed: RelayedRequests
    draining: Draining


def ground(config: Config, node: NodeName, back: Backends, timers: Timers, reactor: Any) -> PlatformParts:
    """Build the platform and the signaling that all workloads share.

    Args:
        config: Checked settings.
        node: This process, and this start of it.
        back: What keeps the promises of store, records, bus, directory and meter.
        timers: Deadlines and clocks.
        reactor: The one reactor; Any, because it is several interfaces.
    """
    sip, limits = config.sections.sip, config.sections.limits
    relays, tables = Relays(sip.relays), _tables(config, back, timers)
    registrations = Registrations(node, back.volatile, back.bus, timers, back.nodes)
    recording = RecordQueue(back.records.upsert, timers, back.meter, close_s=config.sections.store.close_s)
    platform = Platform(
        node=node,
        nodes=back.nodes,
        store=back.store,
        volatile=back.volatile,
        sweep=Sweep(back.bus, timers, back.meter, config.sections.store.sweep_s),
        records=back.records,
        recording=recording,
        bus=back.bus,
        writers=KeyedLock(timers),
        timers=timers,
        meter=back.meter,
        people=tables.people,
        owners=tables.people.owners,
        groups=tables.groups,
        policies=tables.policies,
        locator=registrations,
    )
    place = f"{sip.server_name}:{sip.tls_port or sip.tcp_port}"
    contact = f"sip:{place};transport={'tls' if sip.tls_port else 'tcp'}"
    channels = _channels(back, timers)
    remote = RemoteFlows(node, channels, back.bus, timers)
    flows = _flows(config, node, back, timers, reactor, remote)
    outbound = Outbound(
        flows,
        back.bus,
        timers,
        limits,
        back.meter,
        sent_by=place,
        contact=registrations.own.contact,
        elsewhere=remote,
    )
    flow_host = FlowHost(node, channels, flows, outbound, remote, back.bus)
    relay = Relay(channels, timers, partial(_is_there, back), flow_host.note)
    notifier = _notifier(config, back, outbound, contact, timers)
    forward = _forward(back, tables, outbound, route_of(contact, node), timers)
    homes = Homes(back.nodes, relay, back.bus, timers, platform.writers, route_of(contact, node))
    return PlatformParts(
        platform=platform,
        signaling=Signaling(flows, outbound, notifier, forward, relay, homes, _deposits(back, channels, flows, timers)),
        channels=channels,
        flow_host=flow_host,
        cut_off=CutOff(back.nodes, back.bus, flows, timers),
        flows=flows,
        outbound=outbound,
        notifier=notifier,
        recording=recording,
        timers=timers,
        relays=relays,
        signins=_signins(config, node, back, tables, flows, relays, timers),
        places=_places(config, back, registrations, timers),
        registrations=registrations,
        tables=tables,
    )


def own_address(config: Config) -> str:
    """Give host and port at which clients reach this server and no other; "" where nobody has said so."""
    pool = config.sections.pool
    return ":".join(map(str, pool.place(pool.name, config.sections.sip.tls_port))) if pool.name else ""


def _signins(
    config: Config, node: NodeName, back: Backends, tables: Tables, flows: Flows, relays: Relays, timers: Timers
) -> SignIns:
    """Build what counts failed sign-ins, with those at other nodes."""
    known = KnownNetworks(back.store, timers, flows.places.know)
    tries = SignInTries(tables.people, known, relays, config.sections.auth)
    return SignIns(tables.people, tries, SharedTries(node, tries, back.bus, timers), back.meter, timers)


def _forward(back: Backends, tables: Tables, outbound: Outbound, route: str, timers: Timers) -> Forward:
    """Build what passes requests between users."""
    return Forward(outbound, route, AssertedIdentity(tables.people, timers), timers, CalledAs(back.stamps.stamp))


def _places(config: Config, back: Backends, registrations: Registrations, timers: Timers) -> NodePlaces:
    """Build what knows where clients reach each server."""
    most = config.sections.registrar.endpoints_total
    return NodePlaces(back.nodes, own_address(config), back.bus, timers, registrations.own.__len__, most)


def _deposits(back: Backends, channels: NodeChannels, flows: Flows, timers: Timers) -> Deposits:
    """Build what homes leave with the nodes of clients, empty."""
    return Deposits(back.nodes, channels, flows, back.bus, timers)


def _channels(back: Backends, timers: Timers) -> NodeChannels:
    """Build this node's side of what it says to others; whoever takes it for dead makes it ask the store."""
    channels = NodeChannels(back.bus, timers, partial(_is_there, back))
    channels.on_buried(back.nodes.doubt)
    return channels


def _is_there(back: Backends, node: NodeName) -> bool:
    """Tell whether there is another node of this name: one that has just begun is heard on the bus before it is seen in the store."""
    leased, heard = back.nodes.others(), back.bus.others()
    return any(one.name == node for one in leased) or any(one.name == node for one in heard)


def _notifier(config: Config, back: Backends, outbound: Outbound, contact: str, timers: Timers) -> Notifier:
    """Build the table of subscriptions, empty."""
    limits = config.sections.limits
    return Notifier(
        outbound,
        back.bus,
        contact,
        timers,
        per_flow=limits.subscriptions_per_flow,
        per_user=limits.subscriptions_per_user,
        total=limits.subscriptions_total,
    )


def _flows(
    config: Config, node: NodeName, back: Backends, timers: Timers, reactor: Any, remote: RemoteFlows
) -> Flows:  # Any: as above
    """Build the table of connections, empty."""
    limits = config.sections.limits
    return Flows(
        node,
        config.sections.sip,
        timers,
        back.meter,
        at_turns_end(reactor),
        remote,
        strangers_total=limits.unauthenticated_total,
        strangers_per_address=limits.unauthenticated_per_address,
    )


def _tables(config: Config, back: Backends, timers: Timers) -> Tables:
    """Build the tables of people, empty."""
    people = People()
    groups, meanings = Groups(people), Meanings(back.store, people.owners)
    return Tables(
        people=people,
        groups=groups,
        policies=Policies(config.sections.policies, people, groups, back.bus, meanings, people.owners, back.store),
        meanings=meanings,
        address_book=AddressBook(people, groups, timers),
        secrets=StoredSecrets(back.store, people, back.bus, back.seals, people.owners),
        users=UserTools(
            Accounts(back.store, config.sections.sip.all_domains, timers),
            nt_hash,
            config.sections.directory.kept_people,
        ),
    )


def entrance(
    config: Config,
    base: PlatformParts,
    guests: IGuests,
    schemes: Sequence[IAuthenticator],
    offers: Sequence[Offer],
) -> Pipeline:
    """Build the way in to workloads, and give the wire the gate's seal.

    Args:
        config: Checked settings.
        base: What the workloads stand on.
        guests: Which conferences guests may come to.
        schemes: How users prove themselves, in the order in which clients are told.
        offers: What the workloads answer.
    """
    auth, limits, sip = config.sections.auth, config.sections.limits, config.sections.sip
    platform, timers = base.platform, base.timers
    proof = DigestProof(answer_s=auth.challenge_lifetime_s, lifetime_s=auth.lifetime_s)
    anonymous_gate = AnonymousGate(proof, base.flows, guests, platform.meter, auth, limits, timers, base.relays)
    gate = Gate(
        schemes,
        base.signins,
        base.flows,
        platform.meter,
        limits,
        timers,
        anonymous_gate,
        base.signaling.forward.called_as,
    )
    base.flows.seal_with(gate.seal)
    signaling = base.signaling
    router = Router(sip.all_domains, _own_hosts(config), platform.node, signaling.relay, signaling.homes)
    operations = Operations()
    router.add_routes(operations.rows())
    for offer in offers:
        router.add_routes(offer.routes)
        router.add_homed(offer.homed)
        operations.add_operations(offer.operations)
    dispatch = Dispatch(gate, router, platform.owners)
    transactions = Transactions(
        base.flows,
        TransactionUser(dispatch, gate, base.outbound),
        platform.bus,
        timers,
        limits,
        platform.meter,
        source=sip.server_name,
        relays=base.relays,
    )
    relayed = RelayedRequests(base.channels, dispatch, timers, limits.answer_timeout_s)
    draining = Draining(transactions, timers, limits.drain_s)
    return Pipeline(gate, anonymous_gate, router, transactions, relayed, draining)


def _own_hosts(config: Config) -> Sequence[str]:
    """Give the names under which requests to this server itself come, with and without a port."""
    sip = config.sections.sip
    ports = [port for port in (sip.tls_port, sip.tcp_port) if port]
    own = own_host(config)
    names = dict.fromkeys((sip.server_name, *([own] if own else []), *map(sip.name_for, sip.all_domains)))
    hosts = [*names, "localhost", "127.0.0.1", "[::1]"]
    return [*hosts, *(f"{host}:{port}" for host in hosts for port in ports)]
