"""A conference on a whole server, whatever its participants and its connections do, in any order."""

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lyncpy.contracts.names import Aor
from lyncpy.workloads.conferencing.model.attendees import Meeting
from lyncpy.workloads.conferencing.model.conference import ConferenceRole
from tests.kit.actors import Actor
from tests.kit.hall import tree
from tests.kit.meetings import Seat, asks_factory, code_of, new_conference
from tests.kit.sip_client import Exchange
from tests.kit.soak import many
from tests.kit.stage import Stage

USERS = ("alice", "bob", "carol", "dave")
"""Alice is the organizer."""

WHO = st.sampled_from(USERS)

LINGER_S = 60.0
LOBBY_S = 100.0
ANSWER_S = 20.0


@dataclass(frozen=True)
class Said:
    """A message that was answered 202."""

    text: str
    sender: Seat
    number: str
    """Its Message-Id."""

    audience: tuple[Seat, ...]


class Conference(RuleBasedStateMachine):
    """Four people join, wait, lead, speak, leave and are lost, and the server dies now and then."""

    @initialize()
    def begin(self) -> None:
        """Have everybody signed in, and a conference that makes nobody a presenter."""
        self.stage = Stage(
            conferencing={"autopromote": "nobody", "linger_s": int(LINGER_S), "lobby_wait_s": int(LOBBY_S)},
            im={"chat_answer_s": ANSWER_S, "chat_silences": 2},
        )
        self.actors = {user: self.stage.actor(user) for user in USERS}
        for actor in self.actors.values():
            actor.sip.register()
        self.focus = new_conference(self.actors["alice"].sip)
        self.said: list[Said] = []
        self.seats: list[Seat] = []
        self.locked = False
        self.texts = 0
        for user in USERS[:3]:
            self._joins(user)

    # --- what people do

    @rule(who=WHO, patient=st.booleans())
    def joins(self, who: str, patient: bool) -> None:
        """Somebody joins, on the way back or for the first time; who is patient waits in a lobby."""
        self._connect(self.actors[who])
        if self._seat(who) is None:
            self._joins(who, patient=patient)

    @rule(who=WHO)
    def joins_again_without_a_word(self, who: str) -> None:
        """A device that lost its dialogs joins anew and takes its own place."""
        if (seat := self._seat(who)) is not None and not self._waits(seat):
            self._forget(self.actors[who])
            again = self.actors[who].joins(self.focus)
            self.seats.append(again)
            assert again.dialog is not None

    @rule(who=WHO)
    def joins_the_chat(self, who: str) -> None:
        """Who was let in from the lobby joins the chat."""
        seat = self._seat(who)
        if seat is not None and not self._waits(seat) and not self._chats(seat):
            seat.joins_chat()
            assert seat.chat is not None and seat.chat.dialog is not None

    @rule(who=WHO)
    def leaves(self, who: str) -> None:
        """Somebody leaves."""
        if (seat := self._seat(who)) is not None:
            seat.leaves()
            self._forget(self.actors[who])

    @rule(who=WHO)
    def is_cut_off(self, who: str) -> None:
        """A connection breaks."""
        self.actors[who].is_cut_off()
        self._forget(self.actors[who])

    @rule(who=WHO)
    def speaks(self, who: str) -> None:
        """Somebody says something."""
        seat = self._seat(who)
        if seat is not None and self._chats(seat):
            audience = self._audience(seat)
            exchange, text = self._says(seat)
            assert exchange.status == 202
            self._note(seat, exchange, text, audience)

    @rule(who=WHO, lost=st.sets(WHO, min_size=1, max_size=2))
    def speaks_while_others_are_lost(self, who: str, lost: set[str]) -> None:
        """Connections break while something is on its way to all; what is said after that is for those who are left."""
        seat = self._seat(who)
        if seat is None or not self._chats(seat):
            return
        audience, gone = self._audience(seat), [self.actors[other] for other in lost - {who}]
        with self.actors[who].in_one_breath():
            sent = [self._says(seat)]
            for actor in gone:
                if actor.sip.is_connected:
                    actor.sip.connect().cut()
            sent.append(self._says(seat))
        self.stage.passes(1)
        left = tuple(one for one in audience if not any(one in actor.seats for actor in gone))
        for (exchange, text), heard_by in zip(sent, (audience, left), strict=True):
            assert exchange.status == 202
            self._note(seat, exchange, text, heard_by)
        for actor in gone:
            self._forget(actor)

    @rule(who=WHO, hanging=WHO, times=st.integers(1, 3))
    def speaks_while_another_hangs(self, who: str, hanging: str, times: int) -> None:
        """A device takes nothing for a while: the sender is told so, the others have it at once."""
        seat, other = self._seat(who), self._seat(hanging)
        if seat is None or other is None or seat is other or not (self._chats(seat) and self._chats(other)):
            return
        audience, line = self._audience(seat), other.client.connect()
        line.stop_reading()
        for _ in range(times):
            exchange, text = self._says(seat)
            self.stage.passes(0.1)
            for one in audience:
                assert one is other or one.texts[-1] == (who, text)
            self._note(seat, exchange, text, audience)
        self.stage.passes(ANSWER_S + 1)
        assert all(self._is_told(said, other) for said in self.said[-times:])
        line.read_again()

    @rule(who=WHO, locked=st.booleans())
    def locks(self, who: str, locked: bool) -> None:
        """Somebody locks or unlocks it, if he may."""
        if (seat := self._seat(who)) is not None:
            done = code_of(seat.locks(str(locked).lower()).answer) == "success"
            if done:
                self.locked = locked

    @rule(who=WHO, whom=WHO, role=st.sampled_from(["presenter", "attendee"]))
    def gives_a_role(self, who: str, whom: str, role: str) -> None:
        """Somebody makes another a presenter or an attendee, if he may."""
        if (seat := self._seat(who)) is not None:
            done = code_of(seat.promotes(self.actors[whom].aor, role).answer) == "success"
            if done:
                assert self._meeting().attendees[Aor(self.actors[whom].aor)].role.value == role

    @rule(who=WHO, whom=WHO)
    def ejects(self, who: str, whom: str) -> None:
        """Somebody throws another out, if he may."""
        seat, other = self._seat(who), self._seat(whom)
        if seat is None or other is None or seat is other:
            return
        if code_of(seat.ejects(self.actors[whom].aor).answer) == "success":
            self.stage.passes(0.1)
            assert other.is_over

    @rule(who=WHO, whom=WHO, granted=st.booleans())
    def decides_on_the_lobby(self, who: str, whom: str, granted: bool) -> None:
        """Somebody lets another in from the lobby or sends him away, if he may."""
        if (seat := self._seat(who)) is not None:
            seat.decides_on(self.actors[whom].aor, "granted" if granted else "denied")

    @rule(seconds=st.sampled_from([1.0, LINGER_S / 2, LINGER_S + 1, LOBBY_S + 1]))
    def time_passes(self, seconds: float) -> None:
        """Time passes: nobody waits for ever, nor does a meeting that nobody comes back to."""
        self.stage.passes(seconds)

    @rule(back=st.sets(WHO, min_size=2))
    def the_server_dies(self, back: set[str]) -> None:
        """The server is killed; of those who were there, some come back to the one that is started."""
        inside = [user for user in USERS if (seat := self._seat(user)) is not None and not self._waits(seat)]
        running = self._running()
        before = None if running is None else running.granted
        self.stage.kill()
        self.stage.start()
        for actor in self.actors.values():
            self._forget(actor)
            self._connect(actor)
        meeting = self._running()
        assert (meeting is None) == (running is None or not running.begun)
        if meeting is not None and before is not None:
            assert meeting.locked == self.locked
            assert meeting.granted == before
        for user in inside:
            if user in back:
                self._joins(user)
                assert self._seat(user) is not None  # through a locked door, too

    # --- what holds

    @invariant()
    def is_settled(self) -> None:
        """Let happen what is under way, and take note of a meeting that is over."""
        if hasattr(self, "stage"):
            self.stage.passes(0.3)
            if self._running() is None:
                self.locked = False

    @invariant()
    def everybody_sees_what_he_may(self) -> None:
        """The roster that a client has put together is the focus's, as far as his part lets him see; versions never skip."""
        meeting = self._running()
        for user in USERS if hasattr(self, "stage") else ():
            seat = self._seat(user)
            assert (seat is not None) == (meeting is not None and Aor(self.actors[user].aor) in meeting.attendees)
            if seat is None or meeting is None:
                continue
            shown = {one: (listed.role, listed.media) for one, listed in seat.roster.items()}
            assert shown == _visible(meeting, Aor(seat.client.aor)), user
            assert seat.versions == list(range(1, len(seat.versions) + 1)), user
            if not self._waits(seat):
                assert seat.locked == meeting.locked == self.locked

    @invariant()
    def what_was_acknowledged_arrived(self) -> None:
        """Who was there throughout has it, once and in its sender's order; else its sender was told."""
        if not hasattr(self, "stage"):
            return
        for one in self.said:
            for seat in one.audience:
                count = seat.texts.count((one.sender.client.user, one.text))
                assert count <= 1
                assert count == 1 or self._is_told(one, seat), (one.text, seat.client.user)
        for seat in self.seats:
            for user in USERS:
                numbers = [int(text) for author, text in seat.texts if author == user]
                assert numbers == sorted(numbers)

    def teardown(self) -> None:
        """End it: nothing is left of it, and nothing went wrong on the server."""
        if not hasattr(self, "stage"):
            return
        alice = self.actors["alice"]
        self._connect(alice)
        keys = f'<conferenceKeys confEntity="{self.focus}"/>'
        answer = asks_factory(alice.sip, f"<deleteConference>{keys}</deleteConference>").answer
        assert code_of(answer) == "success"
        self.stage.passes(1)
        assert not any(seat.dialog is not None and not seat.is_over for seat in alice.seats)
        for actor in self.actors.values():
            if actor.sip.is_connected:
                actor.sip.register(expires=0)
                actor.hangs_up_the_line()
        self.stage.passes(60)
        left = {name: count for name, count in self.stage.tables().items() if count}
        self.stage.close()
        assert left == {}
        assert self.stage.unexpected == []

    # --- inside

    def _joins(self, user: str, *, patient: bool = False) -> None:
        actor = self.actors[user]
        self._forget(actor)
        seat = actor.seat(self.focus, lobby_capable=patient)
        self.seats.append(seat)
        if code_of(seat.knocks().answer) == "success":
            seat.watches()
            if not self._waits(seat):
                seat.joins_chat()

    def _connect(self, actor: Actor) -> None:
        if not actor.sip.is_connected:
            actor.sip.register()

    def _forget(self, actor: Actor) -> None:
        """A client keeps nothing of a conference that it is out of."""
        actor.seats.clear()

    def _seat(self, user: str) -> Seat | None:
        """Give the place of somebody who is in the conference or its lobby, as he knows it."""
        actor = self.actors[user]
        seats = [one for one in actor.seats if one.dialog is not None and not one.is_over and one.is_watching]
        return seats[-1] if seats and actor.sip.is_connected else None

    def _chats(self, seat: Seat) -> bool:
        chat = seat.chat
        return chat is not None and chat.dialog is not None and not chat.is_over

    def _waits(self, seat: Seat) -> bool:
        return self._meeting().attendees[Aor(seat.client.aor)].waits

    def _running(self) -> Meeting | None:
        focus = self.stage.unit("conferencing").foci.running(self.focus)
        return None if focus is None else focus.meeting

    def _meeting(self) -> Meeting:
        meeting = self._running()
        assert meeting is not None
        return meeting

    def _audience(self, seat: Seat) -> tuple[Seat, ...]:
        others = (self._seat(user) for user in USERS)
        return tuple(one for one in others if one is not None and one is not seat and self._chats(one))

    def _says(self, seat: Seat) -> tuple[Exchange, str]:
        self.texts += 1
        return seat.says(str(self.texts)), str(self.texts)

    def _note(self, seat: Seat, exchange: Exchange, text: str, audience: tuple[Seat, ...]) -> None:
        if not exchange.is_pending and exchange.status == 202:
            number = exchange.answer.headers.get("Message-Id") or ""
            self.said.append(Said(text, seat, number, audience))

    def _is_told(self, one: Said, seat: Seat) -> bool:
        """Tell whether the sender was told that somebody did not get it; who is gone cannot be told."""
        if one.sender not in self.actors[one.sender.client.user].seats:
            return True
        return any(seat.client.aor in _failed(report.body, one.number) for report in one.sender.reports)


def _failed(report: bytes, number: str) -> str:
    """Give who did not get a message by a report, in one text."""
    root: Any = tree(report)  # Any: lxml's element
    if root.findtext("message-id") != number:
        return ""
    return " ".join(one.get("uri") for one in root.iterfind("recipient") if int(one.findtext("status")) >= 300)


def _visible(meeting: Meeting, user: Aor) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Give the roster as somebody's part lets him see it: presenters see the lobby, who waits there sees himself."""
    me = meeting.attendees[user]
    return {
        # Whose endpoints are on hold, since he waits, is connected by none.
        str(one.user): (one.role.value, () if one.waits else tuple(sorted(end.kind for end in one.endpoints)))
        for one in meeting.attendees.values()
        if one is me or (not me.waits and (not one.waits or me.role is ConferenceRole.PRESENTER))
    }


TestConference = Conference.TestCase
TestConference.settings = settings(
    max_examples=many(25), stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
