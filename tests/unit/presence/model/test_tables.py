"""The tables are whole, and say what the specification says."""

import pytest

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.model.aggregate import legacy_of
from lyncpy.workloads.presence.model.states import LegacyInterop, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    BANDS,
    CATEGORIES,
    DECISION,
    ENDS,
    LEGACY,
    LEVELS,
    LOOKUP,
    MACHINES,
    VOICES,
    Band,
    Expire,
    ExpiryCause,
    Instance,
    InstanceKey,
    MachineState,
    MemberKind,
)


def test_every_table_is_whole() -> None:
    """Whatever a client says, there is a rule for it."""
    assert {row: set(cells) for row, cells in DECISION.items()} == {row: set(Band) for row in MachineState}
    assert set(ENDS) == set(Expire)
    for ends in ([row[0] for row in BANDS], [row[0] for row in MACHINES], [row.below for row in LEGACY]):
        assert ends == sorted(ends)
        assert ends[-1] == 65536


def test_what_outlives_a_restart() -> None:
    """Static and timed publications are for good; the others are of somebody who is signed in."""
    durable = {Expire.STATIC, Expire.TIME}
    for expire in Expire:
        note = Instance(InstanceKey("note", 0, 200), 1, expire, "<note/>", 0.0, Epid("pc"))
        assert note.is_durable == (expire in durable) == (ExpiryCause.LAST not in note.endings)
        assert not note._replace(epid=None).is_durable


def test_a_machine_says_of_itself_only_while_it_is_there() -> None:
    """For however long its client has asked: somebody whose devices are gone is offline."""
    for expire in Expire:
        state = StateDocument(StateKind.MACHINE, 3500)
        one = Instance(InstanceKey("state", 5, 2), 1, expire, "<state/>", 0.0, Epid("pc"), state=state)
        assert not one.is_durable
        assert {ExpiryCause.LEFT, ExpiryCause.LAST} <= one.endings


def test_lists_are_asked_from_the_most_exact_to_the_least() -> None:
    """Spec: user, domain, same enterprise, federated, public cloud, then everybody."""
    assert LOOKUP == (
        MemberKind.USER, MemberKind.DOMAIN, MemberKind.SAME_ENTERPRISE, MemberKind.FEDERATED, MemberKind.PUBLIC_CLOUD,
        MemberKind.EVERYONE,
    )  # fmt: skip


def test_activities_are_shown_in_the_documented_order() -> None:
    """Spec: phone before conference before meeting before one's own words."""
    assert [voice.kind for voice in VOICES] == [
        StateKind.PHONE, StateKind.CONFERENCE, StateKind.CALENDAR, StateKind.USER,
    ]  # fmt: skip


def test_the_containers_have_the_documented_flags() -> None:
    """Spec: the container manifest: which are visible, which blocks."""
    flags = {id_: (level.visible, level.blocked) for id_, level in LEVELS.items() if id_ not in (1, 2, 3)}
    usual = (True, False)
    assert flags == {
        0: (False, False),
        100: usual,
        200: usual,
        300: usual,
        400: usual,
        32000: (True, True),
    }


def test_the_categories_of_lync_are_known() -> None:
    """Spec: the table of categories; what is private is told to no watcher."""
    assert {name for name, one in CATEGORIES.items() if one.shown} == {
        "state", "note", "noteHistory", "contactCard", "calendarData", "workingHours", "device", "services", "dndState",
    }  # fmt: skip
    assert {name for name, one in CATEGORIES.items() if not one.shown} == {
        "routing", "userProperties", "userInformation", "otherOptions", "alerts", "rccOptions", "legacyInterop", "mwi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "token", "expected"),
    [
        # Spec: section 12, new to old.
        (3500, "", (300, 400, "online")),
        (4499, "", (300, 400, "online")),
        (5000, "", (300, 200, "idle")),
        (6500, "", (300, 600, "busy")),
        (7500, "", (300, 600, "busy")),
        (9500, "", (300, 600, "busy")),
        (12500, "", (300, 300, "berightback")),
        (15500, "", (300, 100, "away")),
        (18500, "", (0, 0, "unknown")),
        (0, "", (0, 0, "unknown")),
        (6500, "on-the-phone", (300, 500, "onthephone")),
        (6500, "in-a-meeting", (300, 600, "busy")),
        (18500, "on-the-phone", (0, 0, "unknown")),
    ],
)
def test_old_clients_are_told_in_their_words(number: int, token: str, expected: tuple[int, int, str]) -> None:
    """A client from before 2007 shows what its user can understand."""
    assert legacy_of(LegacyInterop(number, token))[1:] == expected
