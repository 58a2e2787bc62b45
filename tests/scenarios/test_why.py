"""What an operator reads about presence: sentences for a help desk, tables for himself."""

import pytest

from lyncpy.contracts.workload import CommandFailed
from tests.kit.actors import Actor
from tests.kit.presence import batch_body, state
from tests.kit.stage import Stage

ALICE, BOB = "alice@example.com", "bob@example.com"
NOON = "2026-07-20T12:00"
MEETING = 0x40000001


def why(stage: Stage, watcher: str, *, flag: bool = False) -> list[tuple[str, str]]:
    """Ask why Alice looks as she does to somebody; give what is said, by what it concerns."""
    how = "--seen-by" if flag else "as seen by"
    return [(str(row[1]), str(row[2])) for row in stage.shell(f"why {ALICE} {how} {watcher}").rows]


def said(stage: Stage, watcher: str, concern: str) -> list[str]:
    """Give only what concerns one thing."""
    return [finding for found, finding in why(stage, watcher) if found == concern]


def meets(alice: Actor, starts: str, ends: str) -> None:
    """Have Alice's calendar say that she is in a meeting."""
    times = f' startTime="{starts}" endTime="{ends}"'
    inner = (
        '<activity token="in-a-meeting" minAvailability="6500" maxAvailability="8999"/>'
        "<meetingSubject>Merger</meetingSubject><meetingLocation>Room 5</meetingLocation>"
    )
    value = state("calendarState", 6500, inner=inner, attributes=times)
    alice.publishes_raw(*((("state", MEETING, container), "user", value) for container in (2, 3)))


@pytest.fixture
def alice(stage: Stage) -> Actor:
    """Alice at her desk, available, without a note."""
    (alice,) = stage.sign_in("alice")
    alice.publishes(3500)
    stage.passes(1)
    return alice


def test_a_level_is_explained_by_the_list_that_gives_it(stage: Stage, alice: Actor) -> None:
    """A name, the enterprise, a delegate, a partner: each for its own reason."""
    bob, carol = stage.sign_in("bob", "carol")
    alice.allows(bob, 300)
    alice.names_delegate(carol)
    assert said(stage, BOB, "level") == [
        "bob is in container 300 (workgroup): listed as user in 300",
        "then container 200 (colleagues) is asked: same enterprise in 200",
    ]
    assert said(stage, "carol@example.com", "level")[0] == "carol is in container 300 (workgroup): delegate"
    assert said(stage, "dave@example.com", "level") == ["dave is in container 200 (colleagues): same enterprise in 200"]
    assert said(stage, "eve@partner.test", "level") == [
        "eve@partner.test is in container 100 (external contacts): federated in 100"
    ]
    assert said(stage, ALICE, "level") == ["alice sees all that any level sees"]


def test_the_words_and_the_flag_are_one(stage: Stage, alice: Actor) -> None:
    """`why alice as seen by bob` reads well; scripts write --seen-by."""
    assert why(stage, BOB) == why(stage, BOB, flag=True)
    assert len(why(stage, BOB)) > 5


@pytest.mark.steady_clock  # it reads times as they were written down
def test_a_state_is_explained_by_what_it_was_made_of(stage: Stage, alice: Actor) -> None:
    """The device, what she chose and when, and what the level makes of it."""
    (bob,) = stage.sign_in("bob")
    alice.allows(bob, 300)
    alice.publishes(9500)
    bob.watches(alice)
    stage.passes(1)
    story = why(stage, BOB)
    epid, client = alice.sip.epid, "UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)"
    lowered = "; this level is shown busy (6900, urgent interruptions only) in its place"
    assert (
        "state",
        "bob sees alice as busy (6900, urgent-interruptions-only), from container 300 (workgroup)",
    ) in story
    assert [text.replace(client, "…") for concern, text in story if concern == "made of"] == [
        f"device {epid} (…): somebody is at it (9500) since {NOON}:02Z",
        f"alice chose do not disturb (9500) at {NOON}:02Z on device {epid}{lowered}",
        "alice counts as there, so busy holds",
    ]
    assert story[-1] == ("watching", f"{BOB} is told of changes on {bob.sip.epid}")


@pytest.mark.steady_clock  # it reads times as they were written down
def test_a_meeting_is_named_by_its_time_and_by_what_ends_it(stage: Stage, alice: Actor) -> None:
    """The operator learns that there is one and who is told what it is about, but not what she wrote."""
    (bob,) = stage.sign_in("bob")
    alice.allows(bob, 400)
    meets(alice, "2026-07-20T11:30:00Z", "2026-07-20T13:00:00Z")
    times = "since 2026-07-20T11:30:00Z until 2026-07-20T13:00:00Z"
    makes = "makes alice busy (6500, in-a-meeting)"
    assert f"a meeting (what and where it is, this level is told) {makes} {times}" in said(stage, BOB, "made of")
    colleague = said(stage, "dave@example.com", "made of")
    assert f"a meeting (what and where it is, this level is not told) {makes} {times}" in colleague
    assert said(stage, BOB, "changes") == ["at 2026-07-20T13:00:00Z: a meeting ends (busy)"]
    everything = repr((why(stage, BOB), stage.shell(f"why {ALICE}").rows, stage.shell(f"presence show {ALICE}").rows))
    assert "Merger" not in everything and "Room 5" not in everything


@pytest.mark.steady_clock  # it reads times as they were written down
def test_what_is_to_come_is_told(stage: Stage, alice: Actor) -> None:
    """A meeting that has not begun, a note that lapses."""
    meets(alice, "2026-07-20T14:00:00Z", "2026-07-20T15:00:00Z")
    alice.publishes(note="back at one", lasts_s=3600)
    changes = said(stage, BOB, "changes")
    assert changes == [
        f"at {NOON[:-5]}13:00:01Z: note lapses",
        f"at {NOON[:-5]}14:00:00Z: a meeting begins (busy)",
        f"at {NOON[:-5]}15:00:00Z: a meeting ends (busy)",
    ]
    assert not [text for text in said(stage, BOB, "made of") if "meeting" in text]


@pytest.mark.parametrize(
    ("chosen", "machine", "decided"),
    [
        (3500, 3500, "alice counts as there, so available holds"),
        (3500, 15500, "nobody is at a device, and available ends with that: alice is shown as the device says"),
        (6500, 15500, "nobody is active at a device, so busy is shown as inactive"),
        (9500, 15500, "do not disturb holds, whether somebody is at a device or not"),
        (18500, 3500, "alice has chosen to appear offline"),
    ],
)
def test_the_decision_is_put_into_words(stage: Stage, alice: Actor, chosen: int, machine: int, decided: str) -> None:
    """What she chose, and what her computer says to it a while later."""
    alice.publishes(chosen)
    stage.passes(10)
    number = int(alice.sip.epid[:8], 16) >> 4 | 0x30000000
    mine = state("machineState", machine)
    alice.publishes_raw(*((("state", number, container), "endpoint", mine) for container in (2, 3)))
    assert said(stage, BOB, "made of")[-1] == decided


def test_a_call_is_named_as_one(stage: Stage, alice: Actor) -> None:
    """Busy because of a call is not busy because of a meeting."""
    inner = '<activity token="on-the-phone" minAvailability="6500" maxAvailability="8999"/>'
    call = state("phoneState", 6500, inner=inner)
    alice.publishes_raw(*((("state", 0x80000001, container), "endpoint", call) for container in (2, 3)))
    assert "a call makes alice busy (6500, on-the-phone)" in said(stage, BOB, "made of")


def test_out_of_office_says_that_it_makes_nobody_absent(stage: Stage, alice: Actor) -> None:
    """The help desk need not wonder why she is available and out of office."""
    inner = '<activity token="out-of-office" minAvailability="12000"/>'
    away = state("calendarState", 15500, inner=inner)
    alice.publishes_raw(*((("state", MEETING, container), "user", away) for container in (2, 3)))
    assert "the calendar says away, out-of-office; it counts only while alice is absent" in said(stage, BOB, "made of")


def test_who_is_not_there_is_offline_for_a_reason(stage: Stage) -> None:
    """Nobody is signed in, and that is said."""
    assert said(stage, BOB, "made of") == [
        "alice is not signed in on any device",
        "no device can be reached, so alice is offline",
    ]


def test_blocked_is_said_first_and_alone(stage: Stage, alice: Actor) -> None:
    """Whatever Alice does, he sees nothing, and it is she who can change that."""
    (mallory,) = stage.sign_in("mallory")
    alice.blocks(mallory)
    mallory.watches(alice)
    table = stage.shell(f"why {ALICE} as seen by mallory@example.com")
    assert [row[:3] for row in table.rows] == [
        ("trouble", "level", "alice blocks mallory: listed as user in 32000"),
        ("trouble", "state", "mallory sees alice as if alice had signed out when blocking, whatever alice does"),
    ]
    assert table.rows[0][3] == "the user can change their access level in a client"
    assert table.note == "2 of 2 findings hide something"


def test_privacy_mode_is_said(stage: Stage) -> None:
    """Only contacts see her; others are told what to ask for."""
    with Stage.opened(policies={"privacy_mode": True}) as private:
        alice, bob, carol = private.sign_in("alice", "bob", "carol")
        alice.adds(bob.aor)
        private.passes(1)
        assert said(private, carol.aor.removeprefix("sip:"), "level") == [
            "alice is in privacy mode, and carol is not a contact"
        ]
        assert (
            said(private, BOB, "level")[0] == "bob is in container 200 (colleagues): private: a contact, sameEnterprise"
        )
        bob.watches(alice)
        carol.watches(alice)
        private.passes(1)
        becauses = {str(row[0]): row[2:4] for row in private.shell(f"presence watchers {ALICE}").rows}
        assert becauses["carol@example.com"] == ("nobody", "private: not a contact")
        assert becauses[BOB] == ("colleagues", "private: a contact, sameEnterprise")
        assert private.shell(f"presence containers {ALICE}").note.startswith(
            "privacy mode: on, by a policy: their 1 contact"
        )


@pytest.mark.steady_clock  # it reads times as they were written down
def test_an_external_is_told_what_is_closed(stage: Stage, alice: Actor) -> None:
    """A partner sees a number; the rest is named as hidden, with the reason."""
    alice.publishes(note="secret plans")
    hidden = said(stage, "eve@partner.test", "hidden")
    assert hidden[0] == "this level is shown the number only: neither activity, device, place nor meeting"
    assert hidden[1] == "closed at this level: calendarData, device, note, noteHistory, workingHours"
    shown = said(stage, BOB, "shown")
    assert f"note: container 200, by device {alice.sip.epid} at {NOON}:01Z" in shown


def test_who_does_not_look_is_told_nothing(stage: Stage, alice: Actor) -> None:
    """Dave sees an old state because his client has not asked."""
    rows = stage.shell(f"why {ALICE} as seen by dave@example.com").rows
    assert rows[-1][:3] == ("trouble", "watching", f"no device of dave@example.com watches {ALICE} now")


def test_wrong_words_are_explained(stage: Stage) -> None:
    """Nobody of that name; no address; half a question."""
    assert why(stage, "zoe@example.com") == [("directory", 'there is no user "zoe@example.com"')]
    nobody = stage.shell("why zoe@example.com as seen by bob@example.com")
    assert nobody.rows[0][2] == 'there is no user "zoe@example.com"'
    with pytest.raises(CommandFailed, match='"bob" is not an address'):
        stage.shell(f"why {ALICE} as seen by bob")


# --- tables


def test_what_is_shown_at_each_level_stands_first(stage: Stage, alice: Actor) -> None:
    """Then every publication, and who acts for her."""
    (bob,) = stage.sign_in("bob")
    alice.publishes(9500)
    alice.names_delegate(bob)
    table = stage.shell(f"presence show {ALICE}")
    assert [(row[2], row[7]) for row in table.rows if row[0] == "level"] == [
        (400, "friends: do not disturb (9500)"),
        (300, "workgroup: busy (6900, urgent-interruptions-only)"),
        (200, "colleagues: do not disturb (9500)"),
        (100, "external contacts: do not disturb (9500)"),
        (32000, "blocked: offline"),
    ]
    rest = {row[0]: row[7] for row in table.rows[-3:]}
    assert rest == {"delegates": BOB, "subscribers": "0 to ask about, 0 known", "privacy mode": "off"}
    categories = {row[0] for row in table.rows}
    assert {"services", "legacyInterop", "device", "contactCard", "userProperties"} <= categories


def test_watchers_say_why_they_have_their_level(stage: Stage, alice: Actor) -> None:
    """One row for each subscription, with its format and how often it was told."""
    bob, carol = stage.sign_in("bob", "carol")
    alice.allows(bob, 400)
    bob.watches(alice)
    carol.watches(alice)
    alice.publishes(6500)
    stage.passes(1)
    rows = stage.shell(f"presence watchers {ALICE}").rows
    assert [row[:5] for row in rows] == [
        (BOB, bob.sip.epid, "friends", "listed as user in 400", "categories"),
        ("carol@example.com", carol.sip.epid, "colleagues", "same enterprise in 200", "categories"),
    ]
    assert [row[6] for row in rows] == [2, 2], "the first with the answer"
    seen = stage.shell(f"presence watching {BOB}").rows
    assert seen[0][:4] == (ALICE, bob.sip.epid, "busy (6500)", "friends")


def test_containers_name_members_and_what_they_hold(stage: Stage, alice: Actor) -> None:
    """All that decides about levels, in one table."""
    (bob,) = stage.sign_in("bob")
    alice.allows(bob, 300)
    rows = {row[0]: row[1:] for row in stage.shell(f"presence containers {ALICE}").rows}
    assert rows[300] == ("workgroup", 1, f"user {BOB}", "contactCard legacyInterop state")
    assert rows[200][:3] == ("colleagues", 1, "sameEnterprise")
    assert rows[32000] == ("blocked", 0, "", "legacyInterop")


def test_subscribers_are_asked_about_and_then_known(stage: Stage, alice: Actor) -> None:
    """Whoever looks for a moment is not in the table."""
    bob, carol = stage.sign_in("bob", "carol")
    bob.watches(alice)
    glance = batch_body(carol.aor, [alice.aor], context=None)
    carol.sip.subscribe("presence", glance, "application/msrtc-adrl-categorylist+xml")
    stage.passes(1)
    rows = stage.shell(f"presence subscribers {ALICE}").rows
    assert rows == [(BOB, "Bob", "sameEnterprise", "to be asked about", True)]
    alice.answers_for(bob)
    assert stage.shell(f"presence subscribers {ALICE}").rows[0][3] == "known"


def test_an_operator_resets_what_was_chosen_by_hand(stage: Stage, alice: Actor) -> None:
    """Do Not Disturb that was forgotten is gone, her own devices and the watchers hear of it, and it is durable."""
    (bob,) = stage.sign_in("bob")
    bob.watches(alice)
    alice.publishes(9500, machine=3500)
    assert bob.hears(alice).availability == "do not disturb"
    assert stage.shell(f"presence reset {ALICE}").note == f"2 publications were dropped; {ALICE} is available (3500)"
    stage.passes(1)
    assert bob.hears(alice).availability == "available"
    assert stage.shell(f"presence reset {ALICE}").note == "they have chosen nothing by hand"
    stage.kill()
    stage.start()
    assert not [row for row in stage.shell(f"presence show {ALICE}").rows if "manual" in str(row[7])]
    (desk,) = stage.sign_in("alice")
    assert desk.publishes(6500).status == 200
