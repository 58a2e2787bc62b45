"""Aggregation against the documented samples and the house's own decisions."""

import pytest

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.model.aggregate import (
    aggregate,
    aggregates,
    band_of,
    machine_of,
    moments,
    word_of,
)
from lyncpy.workloads.presence.model.states import Activity, Aggregate, Input, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import DECISION, Band, MachineState

PC, LAPTOP = Epid("pc"), Epid("laptop")
ON_THE_PHONE = Activity("on-the-phone", 6500, 8999)
IN_A_MEETING = Activity("in-a-meeting", 6500, 8999)
OUT_OF_OFFICE = Activity("out-of-office", 12000)


def machine(availability: int, epid: Epid = PC, at: float = 10.0, **more: str) -> Input:
    """Give what a machine says."""
    return Input(StateDocument(StateKind.MACHINE, availability, **more), epid, at)  # type: ignore[arg-type]  # fields by name


def user(availability: int, epid: Epid = PC, at: float = 10.0, activity: Activity | None = None) -> Input:
    """Give a state that a person chose by hand."""
    return Input(StateDocument(StateKind.USER, availability, manual=True, activity=activity), epid, at)


def said(kind: StateKind, availability: int, activity: Activity | None = None, **more: float) -> Input:
    """Give what a calendar or a call says."""
    return Input(StateDocument(kind, availability, activity=activity, **more), PC, 10.0)  # type: ignore[arg-type]  # fields by name


def number(*inputs: Input) -> int:
    """Give the number that others see."""
    return aggregate(inputs, None, 100.0).availability


def test_the_table_has_a_result_for_every_pair() -> None:
    """Whatever devices and people say, somebody is shown as something."""
    assert {row: set(cells) for row, cells in DECISION.items()} == {row: set(Band) for row in MachineState}


@pytest.mark.parametrize(
    ("availability", "band"),
    [(3500, Band.AVAILABLE), (5000, Band.AVAILABLE), (6500, Band.BUSY), (7500, Band.BUSY), (9500, Band.DO_NOT_DISTURB),
     (12500, Band.BE_RIGHT_BACK), (15500, Band.AWAY), (18500, Band.OFFLINE)],
)  # fmt: skip
def test_each_documented_number_is_in_its_class(availability: int, band: Band) -> None:
    """The usual value of each status belongs to it."""
    assert band_of(availability) is band


@pytest.mark.parametrize("edge", [6000, 9000, 12000, 15000, 18000])
def test_a_class_begins_at_its_floor(edge: int) -> None:
    """The documented floors are the first numbers of their classes."""
    assert band_of(edge) is not band_of(edge - 1)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        # Spec: the usual values, one device.
        ([machine(3500), user(3500)], 3500),
        ([machine(3500), user(6500)], 6500),
        ([machine(3500), user(9500)], 9500),
        ([machine(3500), user(12500)], 12500),
        ([machine(3500), user(15500)], 15500),
        ([machine(3500), user(18500)], 18500),
        # A client that writes the person's state into the machine's too.
        ([machine(6500), user(6500)], 6500),
        ([machine(9500), user(9500)], 9500),
        ([machine(12500), user(12500)], 12500),
        ([machine(15500), user(15500)], 15500),
        ([machine(18500), user(18500)], 18500),
        # Nothing was chosen by hand.
        ([machine(3500)], 3500),
        ([machine(5000)], 5000),
        ([machine(6500)], 6500),
        ([machine(15500)], 15500),
        ([machine(0)], 3500),
        # Nobody is there.
        ([], 18500),
        ([user(6500)], 18500),
        ([machine(18500)], 18500),
        ([machine(18500), user(3500)], 18500),
        # "IdleOnline" and "IdleBusy" of the documentation.
        ([machine(5000, at=20), user(3500)], 5000),
        ([machine(4700, at=20), user(3500)], 4700),
        ([machine(5000, at=20), user(6500)], 7500),
        ([machine(15500, at=20), user(6500)], 7500),
        ([machine(15500, at=20), said(StateKind.CALENDAR, 6500)], 7500),
        # Available ends when nobody is there; the other states are sticky.
        ([machine(15500, at=20), user(3500)], 15500),
        ([machine(15500, at=20), user(9500)], 9500),
        ([machine(15500, at=20), user(12500)], 12500),
        # A manual state wins over machine states published before it.
        ([machine(15500, at=10), user(3500, at=20)], 3500),
        # The most active of several devices counts.
        ([machine(15500), machine(3500, LAPTOP)], 3500),
        ([machine(5000), machine(15500, LAPTOP)], 5000),
        ([machine(18500), machine(15500, LAPTOP)], 15500),
        ([machine(0), machine(5000, LAPTOP)], 5000),
        ([machine(6500), machine(3500, LAPTOP), user(3500)], 3500),
        # Calls and meetings raise it, but never above what a person says.
        ([machine(3500), said(StateKind.PHONE, 6500)], 6500),
        ([machine(3500), said(StateKind.CONFERENCE, 7000)], 7000),
        ([machine(3500), said(StateKind.PHONE, 9000)], 9000),
        ([machine(3500), said(StateKind.CALENDAR, 6500), user(9500)], 9500),
        ([machine(3500), said(StateKind.CALENDAR, 6500), user(12500)], 12500),
        ([machine(3500), said(StateKind.CALENDAR, 15500)], 3500),
        # Who talks is there.
        ([machine(15500, at=20), said(StateKind.PHONE, 6500)], 6500),
    ],
)
def test_states_add_up(inputs: list[Input], expected: int) -> None:
    """What all devices, the calendar and the person say makes the one number that others see."""
    assert number(*inputs) == expected


def test_available_said_on_a_device_that_left_does_not_cover_an_idle_one() -> None:
    """Alice signs off at home, and was available there; the idle machine at work shows them as away."""
    assert number(machine(15500, PC, at=10), user(3500, LAPTOP, at=20)) == 15500


def test_a_state_that_is_not_manual_does_not_override() -> None:
    """A state that a client made up by itself says less than the machines."""
    automatic = Input(StateDocument(StateKind.USER, 6500), PC, 20.0)
    assert number(machine(3500), automatic) == 3500


def test_the_newest_manual_state_counts() -> None:
    """Busy for a day, set beside the lasting "available", wins because it came later."""
    assert number(machine(3500), user(3500, at=10), user(6500, at=11)) == 6500


@pytest.mark.parametrize(("now", "expected"), [(99.0, 3500), (100.0, 6500), (199.9, 6500), (200.0, 3500)])
def test_a_meeting_counts_while_it_lasts(now: float, expected: int) -> None:
    """Somebody is busy from the beginning of a meeting to its end."""
    meeting = said(StateKind.CALENDAR, 6500, IN_A_MEETING, starts=100.0, ends=200.0)
    assert aggregate([machine(3500), meeting], None, now).availability == expected


def test_moments_are_the_times_at_which_something_changes() -> None:
    """The server wakes up when a meeting begins and when it ends, and for nothing in the past."""
    meeting = StateDocument(StateKind.CALENDAR, 6500, starts=100.0, ends=200.0)
    assert sorted(moments([meeting], 50.0)) == [100.0, 200.0]
    assert list(moments([meeting], 100.0)) == [200.0]


def test_the_activity_belongs_to_the_result() -> None:
    """That somebody is on the phone is shown while the number lies in its range, and not when the person does not want to be disturbed."""
    call = said(StateKind.PHONE, 6500, ON_THE_PHONE)
    assert aggregate([machine(3500), call], None, 0).activity == ON_THE_PHONE
    assert aggregate([machine(3500), call, user(9500)], None, 0).activity is None


def test_a_call_goes_before_a_meeting_and_a_meeting_before_own_words() -> None:
    """Of several activities that fit, one is shown, and always the same."""
    own = user(6500, activity=Activity(custom=(("1033", "writing"),)))
    meeting, call = said(StateKind.CALENDAR, 6500, IN_A_MEETING), said(StateKind.PHONE, 6500, ON_THE_PHONE)
    assert aggregate([machine(3500), own, meeting, call], None, 0).activity == ON_THE_PHONE
    assert aggregate([machine(3500), own, meeting], None, 0).activity == IN_A_MEETING
    assert aggregate([machine(3500), own], None, 0).activity == own.state.activity


def test_out_of_office_lends_its_word_to_an_absence_only() -> None:
    """Who is out of office but works is available; when they leave, others see why."""
    away = said(StateKind.CALENDAR, 15500, OUT_OF_OFFICE)
    assert aggregate([machine(3500), away], None, 0) == Aggregate(3500, device="computer")
    assert aggregate([machine(15500), away], None, 0).activity == OUT_OF_OFFICE


def test_offline_has_no_activity() -> None:
    """Who appears offline is not given away by a call."""
    call = said(StateKind.PHONE, 6500, Activity("on-the-phone"))
    assert aggregate([machine(3500), call, user(18500)], 5.0, 0) == Aggregate(18500, last_active=5.0)


def test_last_active_is_told_while_nobody_is_there() -> None:
    """Others see since when somebody is inactive; while they are active there is nothing to tell."""
    assert aggregate([machine(3500)], 5.0, 0).last_active is None
    assert aggregate([machine(5000)], 5.0, 0).last_active == 5.0
    assert aggregate([machine(15500)], 5.0, 0).last_active == 5.0
    assert aggregate([], 5.0, 0).last_active == 5.0
    assert aggregate([machine(12500), user(12500)], 5.0, 0).last_active is None


def test_who_appeared_offline_is_not_seen_leaving() -> None:
    """The last device of somebody who appears offline goes, and nobody can tell."""
    assert aggregate([machine(3500), user(18500)], 5.0, 0) == aggregate([user(18500)], 5.0, 0)


def test_device_place_and_zone_come_from_the_most_active_machine() -> None:
    """Others see where somebody is, not where else they have a device."""
    phone = machine(3500, LAPTOP, device="Mobile", location="Train")
    seen = aggregate([machine(15500, location="Office"), phone], None, 0)
    assert (seen.device, seen.location) == ("Mobile", "Train")


def test_what_is_alike_is_shown_alike_in_any_order() -> None:
    """Two machines that changed in the same moment are not shown now as one and then as the other."""
    twins = [machine(3500, PC, location="Home"), machine(3500, LAPTOP, location="Office")]
    assert aggregate(twins, None, 0) == aggregate(twins[::-1], None, 0)


def test_the_lowered_container_sees_do_not_disturb_as_urgent_only() -> None:
    """The workgroup sees Busy with "urgent interruptions only" where others see Do Not Disturb."""
    seen = aggregate([machine(9500), user(9500)], None, 0, lower_dnd=True)
    assert (seen.availability, seen.activity) == (6900, Activity("urgent-interruptions-only", 6900, 8999))


def test_presenting_is_not_lowered() -> None:
    """A presentation stays undisturbed for the workgroup too: nobody chose it by hand."""
    presenting = said(StateKind.PHONE, 9000, Activity("in-presentation", 9000, 11999))
    assert aggregate([machine(3500), presenting], None, 0, lower_dnd=True).availability == 9000


def test_what_is_the_same_in_both_containers_is_computed_once() -> None:
    """As a client publishes it, unless somebody does not want to be disturbed, of which the workgroup hears otherwise."""
    states = [machine(3500, device="PC"), user(6500)]
    whole, lowered = aggregates(states, [*states], None, 100.0)
    assert whole is lowered
    assert whole == aggregate(states, None, 100.0)
    busy = [machine(3500, device="PC"), user(9500)]
    assert [one.availability for one in aggregates(busy, busy, None, 100.0)] == [9500, 6900]


def test_since_when_somebody_is_away_is_their_own() -> None:
    """Of two who are away in the same words each is told to be away since their own time."""
    away = [machine(15500)]
    for last_active in (5.0, 70.0, None):
        whole, lowered = aggregates(away, [machine(15500), user(9500)], last_active, 100.0)
        assert (whole, lowered) == (aggregate(away, last_active, 100.0), aggregate(
            [machine(15500), user(9500)], last_active, 100.0, lower_dnd=True
        ))  # fmt: skip
        assert whole.last_active == last_active


def test_a_meeting_that_lasts_is_as_one_without_an_end() -> None:
    """What is valid now counts, and nothing that is not."""
    lasting = [machine(3500), said(StateKind.CALENDAR, 6500, IN_A_MEETING, starts=50.0, ends=150.0)]
    for now in (40.0, 100.0, 150.0):
        assert aggregates(lasting, lasting, None, now) == (aggregate(lasting, None, now),) * 2


def test_operators_read_words() -> None:
    """The shell says what a number means."""
    assert [word_of(n) for n in (3500, 5000, 6900, 7500, 9500, 18500)] == [
        "available", "available, inactive", "busy", "busy, inactive", "do not disturb", "offline",
    ]  # fmt: skip
    assert machine_of(7500) is MachineState.INACTIVE
