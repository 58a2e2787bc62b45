"""What a workload is given, where a test has not built all of it: the parts it names, and plain ones for the rest."""

from typing import Any

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.bus import IBus
from lyncpy.contracts.names import NodeName
from lyncpy.core.asserted_identity import AssertedIdentity
from lyncpy.core.called_as import CalledAs
from lyncpy.core.deposits import Deposits
from lyncpy.core.forward import Forward
from lyncpy.core.homes import Homes
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.node_channel import NodeChannels
from lyncpy.core.notifier import Notifier
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.record_queue import RecordQueue
from lyncpy.core.relay import Relay
from lyncpy.core.sweep import Sweep
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.registrar.registrations import Registrations
from tests.kit.flows import StillFlows
from tests.kit.gatehouse import TablePeople
from tests.kit.leases import only_node
from tests.kit.memory import MemoryRecords, MemoryStore
from tests.kit.meters import MemoryMeter
from tests.kit.outbound import FakeOutbound
from tests.kit.owners import AddressOwners
from tests.kit.vault import FixedPolicies

CONTACT = "sip:fe1.contoso.test:5061;transport=tls"


def platform_of(clock: Any, **parts: Any) -> Platform:  # Any: a reactor; the fields of Platform
    """Build a platform on a test's clock: in memory, for people whose addresses never change."""
    given = parts.setdefault
    node: NodeName = given("node", NodeName("n1"))
    timers = given("timers", Timers(clock, lambda: 1_700_000_000.0 + clock.seconds()))
    bus = given("bus", MemoryBus(node, clock))
    people = given("people", TablePeople())
    records = given("records", MemoryRecords())
    meter = given("meter", MemoryMeter())
    given("nodes", only_node(node))
    given("store", MemoryStore(timers.wall))
    given("volatile", MemoryRecordStore(timers.steady))
    given("recording", RecordQueue(lambda rows: records.upsert(rows), timers, meter, close_s=5.0))
    given("writers", KeyedLock(timers))
    given("sweep", Sweep(bus, timers, meter, 60.0))
    given("owners", AddressOwners())
    given("groups", Groups(people))
    given("policies", FixedPolicies())
    given("locator", registrations_of(node, bus, timers))
    return Platform(**parts)


def registrations_of(node: str, bus: IBus, timers: Timers) -> Registrations:
    """Build the table of who is signed in where, of a node that is alone."""
    store = MemoryRecordStore(timers.steady)
    return Registrations(NodeName(node), store, bus, timers, only_node(node))


def _nobody_is_there(node: NodeName) -> bool:
    return False


def signaling_of(platform: Platform, **parts: Any) -> Signaling:  # Any: the fields of Signaling
    """Build what sends over SIP: nobody is connected, and what is sent is kept for the test to answer."""
    given, timers = parts.setdefault, platform.timers
    outbound = given("outbound", FakeOutbound())
    given("flows", StillFlows())
    if "notifier" not in parts:
        parts["notifier"] = Notifier(outbound, platform.bus, CONTACT, timers, per_flow=50, per_user=500, total=1000)
    channels = NodeChannels(platform.bus, timers, _nobody_is_there)
    relay = given("relay", Relay(channels, timers, _nobody_is_there, lambda node, flow: None))
    given("homes", Homes(platform.nodes, relay, platform.bus, timers, platform.writers, CONTACT))
    given("deposits", Deposits(platform.nodes, channels, parts["flows"], platform.bus, timers))
    given(
        "forward",
        Forward(outbound, f"{CONTACT};lr", AssertedIdentity(platform.people, timers), timers, CalledAs(bytes)),
    )
    return Signaling(**parts)
