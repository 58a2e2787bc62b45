"""What clients write, read; hostile documents refused."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.presence.bodies.publications import (
    ROAMING_PARTS,
    read_publish,
    read_roaming_list,
    read_set_delegates,
    read_set_members,
    read_set_subscriber,
)
from lyncpy.workloads.presence.bodies.published_values import known_value
from lyncpy.workloads.presence.model.states import Activity, Capability, Device, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    ContainerMember,
    Delegate,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
)
from tests.kit.presence import ROAMING_LIST, note, publication, publish_body, state

ALICE = "sip:alice@contoso.test"


def read_state(text: str) -> StateDocument | None:
    """Read one state."""
    return read_publish(publish_body(ALICE, publication("state", 1, 2, text)))[1][0].state


def test_reads_a_publication() -> None:
    """Instance numbers use all 32 bits; the value is kept as the client wrote it."""
    owner, found = read_publish(
        publish_body("sip:Alice@Contoso.test", publication("note", 0xB00B0001, 300, note("hä"), version=4))
    )
    assert owner == ALICE
    assert (found[0].key, found[0].version, found[0].expire) == (InstanceKey("note", 0xB00B0001, 300), 4, Expire.STATIC)
    assert "hä</body>" in found[0].value
    assert found[0].value.startswith('<note xmlns="http://schemas.microsoft.com/2006/09/sip/note">')


def test_a_value_keeps_the_namespaces_that_stood_around_it() -> None:
    """A prefix that was declared further out still means something where the value is shown."""
    body = publish_body(ALICE, publication("note", 0, 200, "<n:note/>")).replace(
        b"<publish ", b'<publish xmlns:n="urn:n" '
    )
    assert 'xmlns:n="urn:n"' in read_publish(body)[1][0].value


def test_reads_a_removal() -> None:
    """A cleared note has no content."""
    found = read_publish(publish_body(ALICE, publication("note", 0, 200, version=3, extra=' expires="0"')))[1][0]
    assert (found.version, found.expires_s, found.value) == (3, 0, "")


def test_reads_what_a_state_says() -> None:
    """All that aggregation needs is found, wherever the client put it."""
    inner = (
        '<activity token="in-a-meeting" minAvailability="6500" maxAvailability="8999"/>'
        "<meetingSubject>Budget</meetingSubject><meetingLocation>Room 1</meetingLocation><device>Mobile</device>"
        "<timeZoneBias>-60</timeZoneBias><timeZoneName>CET</timeZoneName>"
    )
    times = ' startTime="2026-11-24T10:00:00Z" endTime="2026-11-24T11:00:00"'
    found = read_state(state("calendarState", 6500, inner=inner, attributes=times))
    assert found == StateDocument(
        StateKind.CALENDAR, 6500, activity=Activity("in-a-meeting", 6500, 8999), starts=1795514400.0, ends=1795518000.0,
        device="Mobile", zone=("-60", "CET", ""), meeting_subject="Budget", meeting_location="Room 1",
    )  # fmt: skip


def test_reads_own_words() -> None:
    """A status in the user's own words has a text instead of a token."""
    found = read_state(
        state("userState", 6500, manual=True, inner='<activity><custom LCID="1033">Writing</custom></activity>')
    )
    assert found is not None
    assert found.manual
    assert found.activity == Activity(custom=(("1033", "Writing"),))


def test_a_kind_of_state_that_nobody_knows_is_kept_but_says_nothing() -> None:
    """A newer client's state is stored, and nobody's presence depends on it."""
    assert read_state(state("lunchState", 1)) is None


def test_a_time_that_cannot_be_read_is_no_bound() -> None:
    """A meeting with a broken time still counts."""
    found = read_state(state("calendarState", 6500, attributes=' startTime="soon"'))
    assert found is not None
    assert found.starts is None


@pytest.mark.parametrize(
    "text",
    [
        publication("note", 2**32, 200),
        publication("note", 0, 32768),
        publication("no te", 0, 200),
        publication("", 0, 200),
        publication("note", 0, 200, version=-1),
        publication("note", 0, 200, expire="time"),
        publication("state", 1, 2, state("userState", 1).replace("<availability>1<", "<availability><")),
        publication("note", 0, 200) + publication("note", 0, 200),
        "",
    ],
)
def test_refuses_a_publication_that_is_none(text: str) -> None:
    """A broken publication is the client's mistake and is told as such."""
    with pytest.raises(RemoteProtocolError) as caught:
        read_publish(publish_body(ALICE, text))
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"", b"<publish/>", b"<other/>", b"<publish", b"<!DOCTYPE x><publish/>"])
def test_refuses_what_is_no_publish_document(body: bytes) -> None:
    """Anything may come in a body."""
    with pytest.raises(RemoteProtocolError):
        read_publish(body)


def members(inner: str) -> bytes:
    """Write a setContainerMembers document."""
    return f'<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">{inner}</setContainerMembers>'.encode()


def test_reads_changes_of_members() -> None:
    """A contact is moved from one level to another in one request."""
    found = read_set_members(
        members(
            '<container id="200" version="2"><member action="remove" type="user" value="Bob@contoso.test"/></container>'
            '<container id="300" version="0"><member action="add" type="user" value="sip:bob@contoso.test"/>'
            '<member action="add" type="sameEnterprise"/></container>'
        )
    )
    bob = ContainerMember(MemberKind.USER, "bob@contoso.test")
    assert (found[0].container, found[0].version) == (200, 2)
    assert found[0].remove == {bob}
    assert found[1].add == {bob, ContainerMember(MemberKind.SAME_ENTERPRISE)}


@pytest.mark.parametrize(
    "inner",
    [
        '<container id="200"/><container id="200"/>',
        '<container id="200"><member action="add" type="user"/></container>',
        '<container id="200"><member action="add" type="everyone" value="x"/></container>',
        '<container id="200"><member action="toggle" type="everyone"/></container>',
        '<container id="200"><member action="add" type="robots"/></container>',
    ],
)
def test_refuses_changes_of_members_that_are_none(inner: str) -> None:
    """Nobody's privacy depends on a guess."""
    with pytest.raises(RemoteProtocolError):
        read_set_members(members(inner))


KNOWN = '<subscriber user="dave@contoso.test" acknowledged="true"/>'


def subscribers(inner: str) -> bytes:
    """Write who is acknowledged."""
    return f"<setSubscribers>{inner}</setSubscribers>".encode()


def test_reads_whom_the_user_knows() -> None:
    """A watcher is named without a scheme."""
    assert read_set_subscriber(subscribers(KNOWN)) == Aor("sip:dave@contoso.test")


@pytest.mark.parametrize(
    "inner",
    ["", KNOWN + KNOWN, KNOWN.replace("true", "false"), KNOWN.replace("dave@contoso.test", ""), "<subscriber/>"],
    ids=["nobody", "two", "not acknowledged", "no name", "nothing"],
)
def test_refuses_to_acknowledge_other_than_one_watcher(inner: str) -> None:
    """One request is about one watcher, and says that they are known."""
    with pytest.raises(RemoteProtocolError):
        read_set_subscriber(subscribers(inner))


DELEGATE = (
    '<setDelegate action="add" uri="sip:john@contoso.test"><publishOperation authorization="allow"/></setDelegate>'
)
NO_DELEGATE = '<setDelegate action="remove" uri="jane@contoso.test"/>'


def delegates(inner: str, version: str = "3") -> bytes:
    """Write a change of delegates."""
    return f'<setDelegates version="{version}">{inner}</setDelegates>'.encode()


def test_reads_a_change_of_delegates() -> None:
    """A right that is not spoken of is not given."""
    version, add, remove = read_set_delegates(delegates(DELEGATE + NO_DELEGATE))
    assert version == 3
    assert add == (Delegate(Aor("sip:john@contoso.test"), publish=True, redelegate=False),)
    assert remove == (Aor("sip:jane@contoso.test"),)


@pytest.mark.parametrize(
    "body",
    [
        delegates(""),
        delegates(DELEGATE + DELEGATE),
        delegates("<setDelegate/>"),
        delegates(DELEGATE.replace("add", "bribe")),
        delegates(DELEGATE, version="-1"),
        b"<delegates/>",
    ],
    ids=["nobody", "twice", "no address", "no action", "no version", "another document"],
)
def test_refuses_a_change_of_delegates_that_is_none(body: bytes) -> None:
    """What cannot be understood changes nothing."""
    with pytest.raises(RemoteProtocolError):
        read_set_delegates(body)


def test_reads_which_parts_a_client_wants() -> None:
    """Without a list, a client gets all that there is."""
    assert read_roaming_list(ROAMING_LIST) == ROAMING_PARTS - {"delegates"}
    assert read_roaming_list(b"") == ROAMING_PARTS
    assert read_roaming_list(b'<roamingList><roaming type="containers"/><roaming type="x"/></roamingList>') == {
        "containers"
    }


_LIST = 'roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"'
_EX = 'xmlns="http://schemas.microsoft.com/2007/09/sip/roaming-self-ex"'


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (
            f'<{_LIST}><roaming type="categories"/><roaming type="containers"/><roaming type="subscribers"/>'
            f'<roamingEx {_EX} type="delegates"/></roamingList>',
            {"categories", "containers", "subscribers", "delegates"},
        ),
        (f'<{_LIST}><roamingEx type="delegates"/></roamingList>', {"delegates"}),
        (f'<{_LIST}><roaming type="delegates"/></roamingList>', {"delegates"}),
        (f'<{_LIST}><x:roamingEx xmlns:x="urn:x" type="delegates"/></roamingList>', {"delegates"}),
        ('<s:roamingList xmlns:s="urn:s"><s:roaming type="categories"/></s:roamingList>', {"categories"}),
        (
            '<roamingList><roaming Type=" Containers "/><RoamingEx TYPE="Delegates"/></roamingList>',
            {"containers", "delegates"},
        ),
        ('<roamingList><roamingEx type="somethingNew"/><roaming type="subscribers"/></roamingList>', {"subscribers"}),
        ('<roamingList><roaming/><other type="containers"/></roamingList>', set()),
        ("<roamingList/>", set()),
    ],
)
def test_parts_are_asked_for_in_several_ways(body: str, parts: set[str]) -> None:
    """Delegates came later than the other parts, and have an element of their own; what is unknown asks for nothing."""
    assert read_roaming_list(body.encode()) == parts


def read_one(category: str, text: str, instance: int = 1) -> Publication:
    """Read one publication of a category."""
    return read_publish(publish_body(ALICE, publication(category, instance, 2, text)))[1][0]


def test_reads_what_a_device_can_do() -> None:
    """The server needs to know which endpoint it is and what can be asked of it; elements that extend the form are none."""
    found = read_one(
        "device",
        '<device endpointId="AB-CD"><capabilities preferred="true" uri="sip:a@b.c"><!-- x -->'
        '<text render="true" capture="false" publish="true"/><calendar version="2"/><delimiter/><end/>'
        "</capabilities><machineName>host</machineName></device>",
    ).device
    text, calendar = Capability("text", "true", "false", "true"), Capability("calendar", version="2")
    assert found == Device("AB-CD", "sip:a@b.c", preferred=True, capabilities=(text, calendar))
    assert read_one("device", "<device/>").device == Device()
    assert read_one("device", "").device is None


def test_a_device_cannot_do_everything() -> None:
    """What one device says of itself is bounded."""
    many = "".join(f"<c{n}/>" for n in range(100))
    found = read_one("device", f"<device><capabilities>{many}</capabilities></device>").device
    assert found is not None
    assert len(found.capabilities) == 64


@pytest.mark.parametrize(
    ("text", "instance", "expected"),
    [
        ("<otherOptions><privacyModeUserSelection>private</privacyModeUserSelection></otherOptions>", 2, True),
        ("<otherOptions><privacyModeUserSelection>Standard</privacyModeUserSelection></otherOptions>", 2, False),
        ("<otherOptions><privacyModeUserSelection>private</privacyModeUserSelection></otherOptions>", 0, False),
        ("<otherOptions/>", 2, False),
    ],
)
def test_reads_the_wish_for_privacy(text: str, instance: int, expected: bool) -> None:
    """A user's own choice is read from the one publication that holds it."""
    assert read_one("otherOptions", text, instance).private is expected


def test_reads_which_endpoint_a_machine_is() -> None:
    """A machine that names its endpoint is known by that."""
    text = state("machineState", 3500, attributes=' endpointId="AB"')
    found = read_one("state", text).state
    assert found is not None
    assert found.endpoint_id == "AB"


def test_a_value_that_was_read_before_is_known() -> None:
    """Versions and instances differ from each publication to the next; the states of people are few."""
    states = state("machineState", 3500), state("userState", 6500, manual=True)
    first, again = (
        read_publish(
            publish_body(ALICE, *(publication("state", 8 * n + i, 2, one, version=n) for i, one in enumerate(states)))
        )[1]
        for n in (1, 2)
    )
    assert [one.version for one in again] == [2, 2]
    assert all(one.state is other.state is not None for one, other in zip(first, again, strict=True))


def test_a_value_that_many_write_is_kept_and_one_with_an_address_is_not() -> None:
    """A device names its user: nobody else will publish that, and it would drive out what others do."""
    key = InstanceKey("device", 1, 2)
    many = b'<device xmlns="urn:d" endpointId="1"/>'
    own = b'<device xmlns="urn:d" endpointId="1"><capabilities uri="sip:alice@contoso.test"/></device>'
    assert known_value(key, many) is known_value(key, many)
    assert known_value(key, own) == known_value(key, own)
    assert known_value(key, own) is not known_value(key, own)
