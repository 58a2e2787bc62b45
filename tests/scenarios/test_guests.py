"""People without an account come to meetings: by the key, through the lobby, and nowhere else."""

from collections.abc import Iterator, Sequence

import pytest

from lyncpy.contracts.guests import GUEST_DOMAIN
from lyncpy.contracts.records import ConferenceSessionRecord, FocusJoinRecord
from lyncpy.sip.message import Request
from tests.kit.fakes import awaited
from tests.kit.guests import Guest
from tests.kit.holdings import held
from tests.kit.meetings import Seat, code_of, new_conference
from tests.kit.results import result_of
from tests.kit.stage import Stage

KEY = "Secret12"
WITH_KEY = f"<msci:conference-key>{KEY}</msci:conference-key>"
FORBIDDEN, NOT_A_CONFERENCE, NOT_A_FOCUS, NO_FOCUS_THERE = 3019, 3021, 3020, 3022
NOT_YOU = 4004


@pytest.fixture
def strict() -> Iterator[Stage]:
    """A server where nobody may have guests."""
    with Stage.opened(policies={"anonymous_participants": False}) as stage:
        yield stage


def open_meeting(stage: Stage, user: str = "alice", extra: str = WITH_KEY, policy: str = "anonymous") -> Seat:
    """Let somebody hold a meeting."""
    (host,) = stage.sign_in(user)
    seat = host.meets(policy=policy, extra=extra)
    stage.passes(1)
    return seat


def id_of(seat: Seat) -> str:
    """Give the conference's id."""
    return seat.focus.rpartition(":")[2]


# --- coming in


def test_a_guest_who_knows_the_key_takes_part(stage: Stage) -> None:
    """He is in every roster, marked as a guest, an attendee; he is heard and hears."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus)
    stage.passes(1)
    listed = first.roster[zoe.aor]
    assert (listed.name, listed.role, listed.media) == ("Zoe (Guest)", "attendee", ("chat", "focus"))
    assert seat.roster == first.roster
    assert seat.says("hello").status == 202
    first.says("welcome")
    stage.passes(1)
    assert first.texts == [(zoe.sip.user, "hello")]
    assert seat.texts == [("alice", "welcome")]


def test_the_challenge_is_that_of_lync(stage: Stage) -> None:
    """Who has proven nothing is asked by Digest, in the organizer's name, and told nothing else."""
    first = open_meeting(stage)
    stranger = stage.guest("Zoe")
    stranger.joins(first.focus)
    answer = stranger.sip.challenge
    assert (answer["realm"], answer["algorithm"], answer["qop"]) == ("alice@example.com", "MD5-sess", "auth")


def test_a_wrong_key_lets_nobody_in(stage: Stage) -> None:
    """A guest with another key is asked again, and is in no roster."""
    first = open_meeting(stage)
    exchange = stage.guest("Zoe", "Secret13").seat(first.focus).knocks()
    stage.passes(1)
    assert exchange.status == 401
    assert len(first.roster) == 1


def test_no_key_where_there_is_none(stage: Stage) -> None:
    """In a meeting without a key the link is the key: the id opens it, and so does nothing at all."""
    first = open_meeting(stage, extra="")
    for key in (id_of(first), ""):
        assert code_of(stage.guest("Zoe", key).seat(first.focus).knocks().answer) == "success"
    assert stage.guest("Zoe", "something").seat(first.focus).knocks().status == 401


def test_a_meeting_that_does_not_exist_looks_like_a_wrong_key(stage: Stage) -> None:
    """Guessing ids teaches nobody which meetings there are."""
    first = open_meeting(stage)
    none = first.focus.replace(id_of(first), "NOSUCH99")
    wrong, unknown = (stage.guest("Zoe", "x").seat(focus).knocks().answer for focus in (first.focus, none))
    assert (wrong.status, [name for name, _ in wrong.headers]) == (401, [name for name, _ in unknown.headers])


def test_guessing_keys_ends_soon(stage: Stage) -> None:
    """After some wrong keys the address is told to wait; even the right one does not help then, later it does."""
    first = open_meeting(stage)
    guesser = stage.guest("Zoe", "wrong")

    def guesses() -> int:
        guesser.sip.challenge = {}  # a guess is an answer to a challenge
        return guesser.seat(first.focus).knocks().status

    assert [guesses() for _ in range(6)] == [401] * 5 + [503]
    guesser.sip.key = KEY
    assert guesser.seat(first.focus).knocks().status == 503
    assert code_of(stage.guest("Yan", KEY).seat(first.focus).knocks().answer) == "success"  # from elsewhere
    stage.passes(31)
    assert code_of(guesser.seat(first.focus).knocks().answer) == "success"


def test_a_new_key_shuts_nobody_out_who_is_in(stage: Stage) -> None:
    """The organizer changes the key during the meeting: who is in goes on, who comes needs the new one."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY).joins(first.focus)
    first.commands(
        f'<modifyConference><conferenceKeys confEntity="{first.focus}"/>'
        '<ci:conference-info xmlns:ci="urn:ietf:params:xml:ns:conference-info"'
        ' xmlns:msci="http://schemas.microsoft.com/rtc/2005/08/confinfoextensions">'
        "<ci:conference-description><msci:conference-key>Another1</msci:conference-key>"
        "</ci:conference-description></ci:conference-info></modifyConference>"
    )
    assert zoe.says("still here").status == 202
    assert stage.guest("Yan", KEY).seat(first.focus).knocks().status == 401
    assert code_of(stage.guest("Xi", "Another1").seat(first.focus).knocks().answer) == "success"


# --- policy


def test_a_policy_without_guests_refuses_them_with_its_reason(strict: Stage) -> None:
    """Where the organizer may have no guests, also the right key gets a clear no."""
    first = open_meeting(strict, extra=WITH_KEY, policy="openAuthenticated")
    exchange = strict.guest("Zoe", KEY).seat(first.focus, lobby_capable=True).knocks()
    assert exchange.status == 403
    assert "not open to guests" in (exchange.answer.headers.get("ms-diagnostics") or "")


def test_a_house_without_guests_asks_them_nothing() -> None:
    """Where the administrator wants no guests at all, they are sent away before they are asked for a key."""
    with Stage.opened(conferencing={"guests": False}) as stage:
        first = open_meeting(stage, policy="openAuthenticated")
        exchange = stage.guest("Zoe", KEY).seat(first.focus).knocks()
        assert (exchange.status, exchange.diagnostics) == (403, FORBIDDEN)


@pytest.mark.parametrize("policy", ["openAuthenticated", "closedAuthenticated"])
def test_a_guest_waits_in_the_lobby_of_a_meeting_for_others(stage: Stage, policy: str) -> None:
    """He sees nobody until a presenter lets him in; then he sees everybody and may talk."""
    first = open_meeting(stage, policy=policy)
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus, lobby_capable=True)
    stage.passes(1)
    assert list(seat.roster) == [zoe.aor]
    first.decides_on(zoe.aor)
    stage.passes(1)
    seat.joins_chat()
    stage.passes(1)
    assert first.who_chats() == sorted(["alice", zoe.sip.user])
    assert seat.roster == first.roster


def test_a_client_without_a_lobby_is_sent_away(stage: Stage) -> None:
    """He would wait for ever without knowing why."""
    first = open_meeting(stage, policy="openAuthenticated")
    exchange = stage.guest("Zoe", KEY).seat(first.focus).knocks()
    assert exchange.status == 403
    assert "not open to guests" in (exchange.answer.headers.get("ms-diagnostics") or "")


def test_a_guest_waits_before_a_locked_door(stage: Stage) -> None:
    """A lock holds for guests too, and a presenter may turn them away."""
    first = open_meeting(stage)
    first.locks()
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus, lobby_capable=True)
    stage.passes(1)
    assert first.who_chats() == ["alice"]
    first.decides_on(zoe.aor, "denied")
    stage.passes(1)
    assert seat.is_over
    assert zoe.aor not in first.roster


def test_everybody_becomes_a_presenter_where_the_organizer_says_so(stage: Stage) -> None:
    """Guests lead only a meeting whose organizer lets everybody lead."""
    promoting = "<msci:autopromote>2147483648</msci:autopromote>"
    for extra, role in ((WITH_KEY, "attendee"), (WITH_KEY + promoting, "presenter")):
        first = open_meeting(stage, extra=extra)
        zoe = stage.guest("Zoe", KEY)
        zoe.joins(first.focus)
        stage.passes(1)
        assert first.roster[zoe.aor].role == role


def test_an_attendee_without_an_account_leads_nothing(stage: Stage) -> None:
    """Lock, eject, promote and end are not for him."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY).joins(first.focus)
    asked = (zoe.locks(), zoe.ejects(first.client.aor), zoe.promotes(zoe.client.aor), zoe.ends())
    assert {code_of(exchange.answer) for exchange in asked} == {"failure: forbidden"}


# --- going


def test_a_presenter_ejects_a_guest(stage: Stage) -> None:
    """He is told by BYE, and is out of the roster and the chat."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus)
    first.ejects(zoe.aor)
    stage.passes(1)
    assert (seat.is_over, seat.chat is not None and seat.chat.is_over) == (True, True)
    assert first.who_chats() == ["alice"]


def test_a_guest_who_leaves_or_is_lost_is_out(stage: Stage) -> None:
    """He signs in nowhere: the end of his connection is all that tells of him."""
    first = open_meeting(stage)
    foci = stage.unit("conferencing").foci
    alone = held(foci)
    zoe, yan = stage.guest("Zoe", KEY), stage.guest("Yan", KEY)
    seat = zoe.joins(first.focus)
    yan.joins(first.focus)
    seat.leaves()
    yan.is_cut_off()
    stage.passes(1)
    assert list(first.roster) == [first.client.aor]
    assert stage.tables()["guests"] == 1
    stage.passes(61)
    assert stage.tables()["guests"] == 0  # who left is in no conference, and is disconnected
    assert held(foci) == alone


def test_a_guest_who_vanishes_at_the_door_leaves_nothing(stage: Stage) -> None:
    """His connection ends while he is being let in, or while he waits: no table and no roster has him."""
    (alice,) = stage.sign_in("alice")
    focus = new_conference(alice.sip, policy="anonymous", extra=WITH_KEY)
    zoe, yan = stage.guest("Zoe", KEY), stage.guest("Yan", KEY)
    stage.disk.slow_down()
    assert zoe.seat(focus).knocks().is_pending
    zoe.is_cut_off()
    stage.disk.catch_up()
    stage.passes(1)
    first = alice.joins(focus)
    first.locks()
    yan.joins(focus, lobby_capable=True)
    stage.passes(1)
    assert yan.aor in first.roster
    yan.is_cut_off()
    stage.passes(1)
    assert list(first.roster) == [alice.aor]
    assert stage.tables()["guests"] == 0
    foci = stage.unit("conferencing").foci
    left = held(foci)
    first.ends()
    alice.joins(new_conference(alice.sip, policy="anonymous", extra=WITH_KEY))
    stage.passes(1)
    assert held(foci) == left  # a meeting into which no guest ever came holds as much


def test_a_guest_in_a_meeting_is_not_disconnected(stage: Stage) -> None:
    """Who only listens may do so for as long as he likes."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY).joins(first.focus)
    stage.passes(3600)
    assert zoe.says("nothing to add").status == 202


def test_guests_alone_do_not_stay_for_ever(stage: Stage) -> None:
    """Ten minutes after the last participant with an account has left, guests are sent home."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY).joins(first.focus)
    first.leaves()
    stage.passes(590)
    assert not zoe.is_over
    stage.passes(20)
    assert zoe.is_over
    assert list(stage.command("conferences").rows) == []


def test_guests_wait_for_their_host_for_an_hour_and_a_half(stage: Stage) -> None:
    """Who comes early waits; when nobody with an account comes, the meeting ends."""
    first = open_meeting(stage)
    first.leaves()
    stage.passes(1)
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus)
    stage.passes(5390)
    assert not seat.is_over
    stage.passes(20)
    assert seat.is_over


# --- what is kept


def test_records_say_that_he_has_no_account(stage: Stage) -> None:
    """The call detail records of his dialogs and of his stay are marked."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY)
    zoe.joins(first.focus)
    stage.passes(2)
    dialogs: Sequence[ConferenceSessionRecord] = result_of(awaited(stage.records.conference_sessions(zoe.aor)))
    stays: Sequence[FocusJoinRecord] = result_of(awaited(stage.records.focus_joins(zoe.aor)))
    assert [one.internal for one in dialogs] == [False] * 2
    assert [one.internal for one in stays] == [False]


def test_what_is_said_with_a_guest_there_is_archived_as_external() -> None:
    """Where only talk with outsiders is archived, a guest makes the talk of a meeting one."""
    with Stage.opened(policies={"archive_external": True}) as stage:
        first = open_meeting(stage)
        first.says("among us")
        stage.guest("Zoe", KEY).joins(first.focus)
        stage.passes(1)
        first.says("with a guest")
        stage.passes(1)
        table = stage.command("archive search", user="alice@example.com")
        assert [row[table.columns.index("kind")] for row in table.rows] == ["joined", "message"]


# --- who tries more than that


def guest_inside(stage: Stage) -> tuple[Seat, Guest, Seat]:
    """Give a meeting's host, a guest who is in it, and his seat."""
    first = open_meeting(stage)
    zoe = stage.guest("Zoe", KEY)
    seat = zoe.joins(first.focus)
    stage.passes(1)
    return first, zoe, seat


def within(seat: Seat, text: bytes = b"x") -> Request:
    """Write a message in the dialog with the chat."""
    assert seat.chat is not None
    assert seat.chat.dialog is not None
    return seat.chat.dialog.next_request("MESSAGE", [], text, "text/plain")


@pytest.mark.parametrize(
    ("method", "uri", "fields", "diagnostics"),
    [
        ("SUBSCRIBE", "sip:alice@example.com", [("Event", "presence")], FORBIDDEN),
        ("SUBSCRIBE", "sip:alice@example.com", [("Event", "conference")], NOT_A_CONFERENCE),
        ("MESSAGE", "sip:alice@example.com", [("Content-Type", "text/plain")], NOT_A_CONFERENCE),
        ("INVITE", "sip:alice@example.com", [("Content-Type", "application/sdp")], NOT_A_CONFERENCE),
        ("SERVICE", "sip:alice@example.com;gruu;opaque=app:conf:focusfactory", [], FORBIDDEN),
        ("INVITE", "sip:alice@example.com;gruu;opaque=app:conf:focusfactory", [], NOT_A_FOCUS),
        ("INVITE", "sip:alice@example.com;gruu;opaque=app:conf:audio-video:id:ABCDEFGH", [], NOT_A_FOCUS),
        ("INVITE", "sip:alice@elsewhere.com;gruu;opaque=app:conf:focus:id:ABCDEFGH", [], NO_FOCUS_THERE),
        ("REGISTER", "sip:example.com", [], FORBIDDEN),
        ("OPTIONS", "sip:example.com", [], NOT_A_CONFERENCE),
        ("REFER", "sip:alice@example.com", [], FORBIDDEN),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_guest_may_go_nowhere_else(
    stage: Stage, method: str, uri: str, fields: list[tuple[str, str]], diagnostics: int, inside: bool
) -> None:
    """Presence, people, the factory and other services are closed to him, before and after he proved a key."""
    zoe = guest_inside(stage)[1] if inside else stage.guest("Zoe", KEY)
    exchange = zoe.sip.ask(zoe.sip.request(method, uri, fields))
    stage.passes(1)
    assert (exchange.status, exchange.diagnostics) == (403, diagnostics)


def test_a_guest_cannot_speak_as_another(stage: Stage) -> None:
    """Neither as a colleague nor as another guest, in nobody's dialog, and he cannot sign in on this connection."""
    first, zoe, seat = guest_inside(stage)
    for other in (first.client.aor, f"sip:other@{GUEST_DOMAIN}", "sip:mallory@example.com"):
        request = within(seat)
        forged = request.edited(put=[("From", f"<{other}>;tag={request.from_.tag}")])
        exchange = zoe.sip.ask(forged, branch=False)
        stage.passes(1)
        assert (exchange.status, exchange.diagnostics) == (403, NOT_YOU)
    deceiving = request.edited(put=[("From", f'"<{first.client.aor}>" <{zoe.aor}>;tag={request.from_.tag}')])
    assert zoe.sip.ask(deceiving, branch=False).status == 403
    assert first.texts == []


def test_nobody_takes_a_guests_name_while_he_is_there(stage: Stage) -> None:
    """His address is in every roster: who knows the key too must not become a device of his."""
    first, zoe, _ = guest_inside(stage)
    thief = stage.guest("Zoe", KEY, user=zoe.sip.user)
    exchange = thief.seat(first.focus).knocks()
    assert (exchange.status, exchange.diagnostics) == (403, NOT_YOU)
    zoe.is_cut_off()
    stage.passes(1)
    assert code_of(thief.seat(first.focus).knocks().answer) == "success"


def test_a_proof_counts_once(stage: Stage) -> None:
    """Credentials that were used are worth nothing in another request; the guest is asked anew."""
    first, zoe, seat = guest_inside(stage)
    used = zoe.sip.proven(within(seat))
    zoe.sip.ask(used, branch=False, signed=False)
    proof = used.headers.get("Authorization") or ""
    exchange = zoe.sip.ask(within(seat, b"y").edited(last=[("Authorization", proof)]), branch=False, signed=False)
    stage.passes(1)
    assert exchange.status == 202  # a real client answers the new challenge at once
    assert zoe.sip.challenge["stale"] == "true"
    assert [text for _, text in first.texts] == ["x", "y"]


def test_a_challenge_is_for_one_connection(stage: Stage) -> None:
    """Who saw another's challenge gets one of his own."""
    first, zoe, _ = guest_inside(stage)
    other = stage.guest("Yan", KEY)
    other.sip.challenge, other.sip.count = dict(zoe.sip.challenge), 100
    exchange = other.seat(first.focus).knocks()
    assert (exchange.status, other.sip.challenge["stale"]) == (200, "true")
    assert other.sip.challenge["nonce"] != zoe.sip.challenge["nonce"]


def test_a_guest_of_one_meeting_is_a_stranger_in_another(stage: Stage) -> None:
    """A key opens its own conference only."""
    zoe = guest_inside(stage)[1]
    other = open_meeting(stage, "bob", "<msci:conference-key>Other123</msci:conference-key>")
    assert zoe.seat(other.focus).knocks().status == 401
    zoe.sip.key = "Other123"
    assert code_of(zoe.seat(other.focus).knocks().answer) == "success"


def test_too_many_guests_from_one_address() -> None:
    """A flood from one place finds an end, and leaves the others alone."""
    with Stage.opened(limits={"guests_per_address": 2}) as stage:
        first = open_meeting(stage)
        answers = [stage.guest("Zoe", KEY, address="10.1.1.1").seat(first.focus).knocks().status for _ in range(3)]
        assert answers == [200, 200, 503]
        assert stage.guest("Yan", KEY).seat(first.focus).knocks().status == 200
