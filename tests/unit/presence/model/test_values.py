"""The XML of what the server publishes."""

from lyncpy.workloads.presence.model.states import (
    Aggregate,
    AggregateMachine,
    Capability,
    LegacyInterop,
    Service,
    Services,
    Value,
)
from lyncpy.workloads.presence.model.tables import Expire, Instance, InstanceKey
from lyncpy.workloads.presence.model.values import write_value

NS = "http://schemas.microsoft.com/2006/09/sip"


def written(value: Value) -> str:
    """Give a value as it stands in a document."""
    return write_value(Instance(InstanceKey("x", 0, 2), 1, Expire.USER, value, 0.0))


def test_what_a_client_wrote_is_told_as_it_wrote_it() -> None:
    """The server does not rephrase what clients say to one another."""
    assert written("<note>x</note>") == "<note>x</note>"
    assert "<availability>3500</availability>" in written(Aggregate(3500))


def test_services() -> None:
    """A user's own devices read which of them is the best for what; a watcher only that it can be done."""
    text = Capability("text", "true", "true", "false")
    own = Services("sip:a@b.c", (Service(text, "id", 3500), Service(Capability("calendar", version="2"))))
    assert written(own) == (
        f'<services xmlns="{NS}/service"><service uri="sip:a@b.c"><capabilities>'
        '<text render="true" capture="true" publish="false" preferredEndpointId="id" deviceAvailability="3500"/>'
        '<calendar version="2"/></capabilities></service></services>'
    )


def test_the_most_active_machine() -> None:
    """A user's devices read where the user is."""
    xsi = "http://www.w3.org/2001/XMLSchema-instance"
    head = f'<state xmlns="{NS}/state" xmlns:xsi="{xsi}" xsi:type="aggregateMachineState"'
    assert written(AggregateMachine(18500)) == f"{head}><availability>18500</availability></state>"
    found = written(AggregateMachine(3500, "id", "mobile", "Train"))
    assert found == (
        f'{head} endpointId="id"><availability>3500</availability><endpointLocation>Train</endpointLocation>'
        f'<delimiter xmlns="{NS}/commontypes"/><device xmlns="{NS}/commontypes">mobile</device>'
        f'<end xmlns="{NS}/commontypes"/></state>'
    )


def test_legacy_interop() -> None:
    """What is kept for old clients is an availability and, if there is one, a word."""
    assert written(LegacyInterop(18500)) == f'<legacyInterop xmlns="{NS}/categories" availability="18500"/>'
    assert written(LegacyInterop(6500, "on-the-phone")) == (
        f'<legacyInterop xmlns="{NS}/categories" availability="6500" token="on-the-phone"/>'
    )
