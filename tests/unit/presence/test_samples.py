"""Every documented sample of availability and aggregation, held against the server.

The numbers in the headings are sections of the presence model as the specification and the
developer documentation give it: 6 the availability scale, 7 the aggregation script.
"""

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.model.aggregate import aggregate, band_of, is_shaded, machine_of
from lyncpy.workloads.presence.model.board import Board, Published, leave, publish, with_aggregates
from lyncpy.workloads.presence.model.states import Activity, Aggregate, Input, LegacyInterop, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import Band, Expire, InstanceKey, MachineState, Publication
from tests.kit.boards import usual_quotas

ALICE = Aor("sip:alice@contoso.test")
PC, LAPTOP = Epid("pc"), Epid("laptop")
NOW = 1000.0

ON_THE_PHONE = Activity("on-the-phone", 6500, 8999)
IN_A_CONFERENCE = Activity("in-a-conference", 7000, 8999)
IN_A_MEETING = Activity("in-a-meeting", 6500, 8999)
PRESENTING = Activity("in-presentation", 9000, 11999)
OUT_OF_OFFICE = Activity("out-of-office", 12000)
URGENT = Activity("urgent-interruptions-only", 6900, 8999)
OFF_WORK = Activity("off-work", 15500, 17999)


def machine(number: int, at: float = 10.0, epid: Epid = PC) -> Input:
    """Give what a machine says."""
    return Input(StateDocument(StateKind.MACHINE, number), epid, at)


def user(number: int, activity: Activity | None = None, at: float = 5.0) -> Input:
    """Give a state that a person chose by hand."""
    return Input(StateDocument(StateKind.USER, number, manual=True, activity=activity), PC, at)


def other(kind: StateKind, number: int, activity: Activity | None = None) -> Input:
    """Give what a calendar or a call says."""
    return Input(StateDocument(kind, number, activity=activity), PC, 10.0)


# --- 6, the table of ranges


@pytest.mark.parametrize(
    ("first", "last", "band", "shaded"),
    [
        (3000, 4499, Band.AVAILABLE, False),
        (4500, 5999, Band.AVAILABLE, True),
        (6000, 7499, Band.BUSY, False),
        (7500, 8999, Band.BUSY, True),
        (9000, 11999, Band.DO_NOT_DISTURB, False),
        (12000, 14999, Band.BE_RIGHT_BACK, False),
        (15000, 17999, Band.AWAY, False),
        (18000, 65535, Band.OFFLINE, False),
    ],
)
def test_6_ranges(first: int, last: int, band: Band, shaded: bool) -> None:
    """Each class and each idle shade begins and ends where the documentation says."""
    for number in (first, last):
        assert (band_of(number), is_shaded(number)) == (band, shaded)


@pytest.mark.parametrize(
    ("number", "band", "shaded"),
    [
        (3000, Band.AVAILABLE, False),
        (4500, Band.AVAILABLE, True),
        (6000, Band.BUSY, False),
        (7500, Band.BUSY, True),
        (9000, Band.DO_NOT_DISTURB, False),
        (12000, Band.BE_RIGHT_BACK, False),
        (15000, Band.AWAY, False),
        (18000, Band.OFFLINE, False),
    ],
)
def test_6_class_floors(number: int, band: Band, shaded: bool) -> None:
    """The floors that an API client publishes when only a class is wanted mean that class."""
    assert (band_of(number), is_shaded(number)) == (band, shaded)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (user(3500), 3500),
        (user(6500), 6500),
        (user(6500, ON_THE_PHONE), 6500),
        (user(7000, IN_A_CONFERENCE), 7000),
        (user(9500), 9500),
        (user(12500), 12500),
        (user(15500), 15500),
        (user(15500, OFF_WORK), 15500),
        (user(18500), 18500),
    ],
)
def test_6_fixed_points(chosen: Input, expected: int) -> None:
    """What an API client publishes for a status is what others see, and the word with it."""
    seen = aggregate([machine(3500), chosen], None, NOW)
    assert (seen.availability, seen.activity) == (expected, chosen.state.activity)


def test_6_do_not_disturb_as_seen_in_container_3() -> None:
    """DND 9500 is 6900 for the workgroup."""
    seen = aggregate([machine(3500), user(9500)], None, NOW, lower_dnd=True)
    assert (seen.availability, seen.activity) == (6900, URGENT)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        # IdleOnline arises from user Online + machine Away/idle.
        ([user(3500), machine(5000)], 5000),
        # IdleBusy from calendar or user Busy + machine Away/idle.
        ([user(6500), machine(5000)], 7500),
        ([user(6500), machine(15500)], 7500),
        ([other(StateKind.CALENDAR, 6500), machine(5000)], 7500),
        ([other(StateKind.CALENDAR, 6500), machine(15500)], 7500),
    ],
)
def test_6_idle_shades(inputs: list[Input], expected: int) -> None:
    """A person who said that they are there, or busy, and whose machine says that nobody is."""
    assert aggregate(inputs, None, NOW).availability == expected


@pytest.mark.parametrize(
    ("activity", "inside", "outside"),
    [
        (ON_THE_PHONE, (6500, 8999), (6499, 9000)),
        (IN_A_CONFERENCE, (7000, 8999), (6999, 9000)),
        (IN_A_MEETING, (6500, 8999), (6499, 9000)),
        (OUT_OF_OFFICE, (12000, 15500), (11999, 3500)),
        (URGENT, (6900, 8999), (6899, 9000)),
        (PRESENTING, (9000, 11999), (8999, 12000)),
    ],
)
def test_6_activity_ranges(activity: Activity, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """A word is shown exactly while the result lies in its closed range."""
    for numbers, shown in ((inside, activity), (outside, None)):
        for number in numbers:
            assert aggregate([machine(3500), user(number, activity)], None, NOW).activity == shown


# --- 7.1, machines


@pytest.mark.parametrize(
    ("more", "less"),
    [(3500, 5000), (3500, 15500), (5000, 15500), (5000, 0), (0, 15500), (15500, 18500), (3500, 18500), (3500, 4000)],
)
def test_7_1_the_most_active_machine_counts(more: int, less: int) -> None:
    """Active < Inactive < Unknown < Away < Off; the lowest number is the most active."""
    seen = aggregate([machine(less, 20.0, LAPTOP), machine(more)], None, NOW).availability
    assert seen == (more or 3500)


def test_7_1_a_machine_says_what_its_number_means() -> None:
    """The classes of machines, by the usual numbers."""
    assert [machine_of(number) for number in (3500, 5000, 0, 15500, 18500)] == list(MachineState)


# --- 7.2, what the user chose


@pytest.mark.parametrize("number", [6500, 9500, 12500, 15500, 18500])
def test_7_2_sticky_states_hold_against_the_machine(number: int) -> None:
    """Busy, DND, BRB, Away and appear offline hold when the machine was active afterwards."""
    assert aggregate([user(number, at=5.0), machine(3500, 10.0)], None, NOW).availability == number


@pytest.mark.parametrize(("number", "expected"), [(9500, 9500), (12500, 12500), (15500, 15500), (18500, 18500)])
def test_7_2_sticky_states_hold_when_nobody_is_there(number: int, expected: int) -> None:
    """And when its keyboard was left alone."""
    assert aggregate([user(number), machine(15500)], None, NOW).availability == expected


def test_7_2_available_is_not_sticky() -> None:
    """Available ends when the machine says, later, that nobody is there; not when it said so before."""
    assert aggregate([user(3500, at=5.0), machine(15500, 10.0)], None, NOW).availability == 15500
    assert aggregate([user(3500, at=15.0), machine(15500, 10.0)], None, NOW).availability == 3500


def test_7_2_reset_status_shows_the_machine() -> None:
    """A 3500 that was not chosen by hand, and no userState at all, leave the machine's number."""
    reset = Input(StateDocument(StateKind.USER, 3500), PC, 20.0)
    for inputs in ([reset, machine(5000)], [machine(5000)]):
        assert aggregate(inputs, None, NOW).availability == 5000


# --- 7.3, calendar and calls


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([other(StateKind.CALENDAR, 6500)], 6500),
        ([other(StateKind.PHONE, 6500)], 6500),
        ([other(StateKind.CONFERENCE, 7000)], 7000),
        ([other(StateKind.PHONE, 7000), other(StateKind.CALENDAR, 6500)], 7000),
        ([other(StateKind.PHONE, 9000)], 9000),
        ([other(StateKind.PHONE, 6500), user(9500)], 9500),
        ([other(StateKind.CALENDAR, 6500), user(3500)], 6500),
    ],
)
def test_7_3_the_highest_number_wins(inputs: list[Input], expected: int) -> None:
    """Numbers grow with "less reachable"."""
    assert aggregate([*inputs, machine(3500)], None, NOW).availability == expected


def test_7_3_no_machine_is_offline() -> None:
    """Whatever else is said."""
    assert aggregate([user(3500), other(StateKind.PHONE, 6500)], None, NOW).availability == 18500


# --- 7.4, activities


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            [other(StateKind.PHONE, 6500, ON_THE_PHONE), other(StateKind.CONFERENCE, 7000, IN_A_CONFERENCE)],
            ON_THE_PHONE,
        ),
        (
            [other(StateKind.CONFERENCE, 7000, IN_A_CONFERENCE), other(StateKind.CALENDAR, 6500, IN_A_MEETING)],
            IN_A_CONFERENCE,
        ),
        (
            [other(StateKind.CALENDAR, 6500, IN_A_MEETING), user(6500, Activity(custom=(("1033", "writing"),)))],
            IN_A_MEETING,
        ),
        ([user(6500, Activity(custom=(("1033", "writing"),)))], Activity(custom=(("1033", "writing"),))),
    ],
)
def test_7_4_one_activity_is_kept(inputs: list[Input], expected: Activity) -> None:
    """Phone before conference before meeting before one's own words."""
    assert aggregate([*inputs, machine(3500)], None, NOW).activity == expected


# --- 7.5, lastActive


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([machine(3500)], False),
        ([machine(3500), user(6500)], False),
        ([machine(5000)], True),
        ([machine(5000), user(6500)], True),
        ([machine(15500)], True),
        ([], True),
        ([machine(18500)], True),
        ([machine(3500), user(15500)], False),
        ([machine(15500), user(12500)], False),
    ],
)
def test_7_5_last_active(inputs: list[Input], told: bool) -> None:
    """It is told since when somebody is idle, away or offline; never of who is there."""
    assert (aggregate(inputs, 7.0, NOW).last_active == 7.0) is told


# --- 7.6, place


def test_7_6_the_last_machine_to_change_wins_among_equals() -> None:
    """Location, time zone and device are of the most active machine; of two, of the one that changed last."""
    zone = ("-60", "W. Europe", "CET")
    home = Input(StateDocument(StateKind.MACHINE, 3500, device="mobile", location="Home", zone=zone), LAPTOP, 20.0)
    office = Input(StateDocument(StateKind.MACHINE, 3500, location="Office"), PC, 10.0)
    for inputs in ([home, office], [office, home]):
        seen = aggregate(inputs, None, NOW)
        assert (seen.device, seen.location, seen.zone) == ("mobile", "Home", zone)


# --- 7.7, 7.8, what comes out, as a server was seen to write it


def shapes(board: Board) -> dict[int, object]:
    """Give the aggregate state of each audience."""
    return {key.container: one.value for key, one in board.instances.items() if key[:2] == ("state", 1)}


def on_the_phone() -> Board:
    """Give the board of somebody who is on the phone."""
    states = [
        Publication(InstanceKey("state", 0x30000001, c), 0, Expire.ENDPOINT, "<m/>", state=StateDocument(StateKind.MACHINE, 3500))
        for c in (2, 3)
    ] + [
        Publication(
            InstanceKey("state", 0x80000001, c), 0, Expire.ENDPOINT, "<p/>",
            state=StateDocument(StateKind.PHONE, 6500, activity=ON_THE_PHONE),
        )
        for c in (2, 3)
    ]  # fmt: skip
    outcome = publish(with_aggregates(Board(ALICE), Board(ALICE), 0.0).board, states, PC, 10.0, usual_quotas())
    assert isinstance(outcome, Published)
    return outcome.board


def test_7_7_each_audience_gets_its_shape() -> None:
    """External contacts see the number only, all others the word too; old clients in 100, 200, 300 and 400 as well."""
    board = on_the_phone()
    told = Aggregate(6500, ON_THE_PHONE, device="computer")
    assert shapes(board) == {2: told, 3: told, 100: Aggregate(6500), 200: told, 300: told, 400: told}
    legacy = {key.container: one.value for key, one in board.instances.items() if key.category == "legacyInterop"}
    word = LegacyInterop(6500, "on-the-phone")
    assert legacy == {100: LegacyInterop(6500), 200: word, 300: word, 400: word, 32000: LegacyInterop(18500)}


def test_7_7_the_last_endpoint_goes() -> None:
    """What was bound to it is gone, and everybody sees offline, since when they were last active."""
    board = leave(on_the_phone(), PC, 50.0, last=True).board
    told = Aggregate(18500, last_active=50.0)
    assert shapes(board) == {2: told, 3: told, 100: Aggregate(18500), 200: told, 300: told, 400: told}
    assert all(one.made for one in board.instances.values())
