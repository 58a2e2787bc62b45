"""Meetings for all inputs: whoever follows the documents, or the changes, holds the roster as it is."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from lxml import etree

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.conferencing.bodies.conference_info import (
    MSCI_NS,
    RosterAudience,
    RosterBody,
    RosterView,
    audience_of,
    delta,
    full,
)
from lyncpy.workloads.conferencing.model.admission import JoinerRelation
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    ConferenceEdited,
    Gone,
    LockChanged,
    MediumJoined,
    MediumLeft,
    Meeting,
    MeetingChange,
    MeetingEnded,
    MeetingStep,
    RoleChanged,
)
from lyncpy.workloads.conferencing.model.conference import (
    CHAT,
    AdmissionPolicy,
    Autopromote,
    ConferenceDenied,
    ConferenceRole,
)
from lyncpy.workloads.conferencing.model.lifetime import begin, deadline, expire, remembered
from lyncpy.workloads.conferencing.model.meeting import (
    admit,
    deny,
    eject,
    join,
    leave,
    medium_joined,
    medium_left,
    reform,
    relation_of,
    set_lock,
    set_role,
)
from tests.kit.hall import tree
from tests.kit.rosters import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DESK,
    GUEST,
    MALLORY,
    NOON,
    PHONE,
    conference,
    joiner,
    policy_with,
)
from tests.kit.soak import many

USERS = st.sampled_from([ALICE, BOB, CAROL, DAVE, MALLORY, GUEST])
EPIDS = st.sampled_from([DESK, PHONE])
EAGER = (ALICE, CAROL, MALLORY)
"""Who is shown every single step; the others are shown many at once."""

ACTORS = st.sampled_from([None, ALICE, BOB, CAROL])
HOUSE = policy_with(
    size=4, lobby=2, linger_s=20.0, lobby_wait_s=15.0, guests_alone_s=50.0, guests_left_s=10.0, idle_s=200.0
)


@dataclass
class StandardClient:
    """Reads documents as RFC 4575 §4.6 has it, and insists on versions that never skip."""

    version: int = 0
    parts: dict[str, bytes] = field(default_factory=dict)
    users: dict[str, bytes] = field(default_factory=dict)

    def reads(self, body: bytes) -> None:
        """Follow a document."""
        info = tree(body)
        assert int(info.get("version")) == self.version + 1
        self.version += 1
        if info.get("state") == "full":
            self.parts.clear()
            self.users.clear()
        for part in info:
            if part.tag != "users":
                self.parts[part.tag] = etree.tostring(part)
                continue
            if part.get("state") == "full":
                self.users.clear()
            for user in part:
                if user.get("state") == "deleted":
                    del self.users[user.get("entity")]
                else:
                    self.users[user.get("entity")] = etree.tostring(user)

    @property
    def seen(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Give what it shows."""
        return self.parts, self.users


@dataclass
class RealClient:
    """Reads documents as the real client does: each as an addition, whatever it calls itself."""

    room: set[str] = field(default_factory=set)
    locked: bool = False
    chat: str = ""

    def reads(self, body: bytes) -> None:
        """Take over what a document says."""
        info = tree(body)
        for user in info.findall("users/user"):
            connected = [end for end in user.findall("endpoint") if end.findtext("status") == "connected"]
            inside = any(end.get(f"{{{MSCI_NS}}}session-type") == CHAT for end in connected)
            (self.room.add if inside and user.get("state") != "deleted" else self.room.discard)(user.get("entity"))
        for view in info.findall("conference-view/entity-view/entity-state"):
            if view.findtext("media/entry/type") == CHAT:
                self.locked = view.findtext("locked") == "true"
        for entry in info.findall("conference-description/conf-uris/entry"):
            if entry.findtext("purpose") == CHAT:
                self.chat = entry.findtext("uri")


@dataclass
class Watcher:
    """What somebody was shown, and what two kinds of client made of it."""

    audience: RosterAudience
    shown: Meeting
    standard: StandardClient = field(default_factory=StandardClient)
    real: RealClient = field(default_factory=RealClient)

    def hears(self, sheet: RosterBody) -> None:
        """Get a document."""
        body = sheet.at(self.standard.version + 1)
        self.standard.reads(body)
        self.real.reads(body)


@dataclass
class Secretary:
    """Keeps a roster by what happened alone, as the call records do."""

    people: dict[Aor, dict[tuple[Epid, str], str]] = field(default_factory=dict)
    waiting: set[Aor] = field(default_factory=set)
    locked: bool = False
    ended: bool = False

    def notes(self, change: MeetingChange) -> None:
        """Write down one change."""
        match change:
            case Arrived(user, end, waits, first, replaced):
                assert first == (user not in self.people)
                assert (replaced is not None) == ((end.epid, end.kind) in self.people.get(user, {}))
                self.people.setdefault(user, {})[end.epid, end.kind] = end.entity
                if waits:
                    self.waiting.add(user)
            case Gone(user, end, media, _, last):
                for one in (end, *media):
                    del self.people[user][one.epid, one.kind]
                assert last == (not self.people[user])
                if last:
                    del self.people[user]
                    self.waiting.discard(user)
            case MediumJoined(user, end, _):
                self.people[user][end.epid, end.kind] = end.entity
            case MediumLeft(user, end):
                del self.people[user][end.epid, end.kind]
            case Admitted(user):
                self.waiting.remove(user)
            case LockChanged(locked):
                assert locked != self.locked
                self.locked = locked
            case MeetingEnded():
                assert not self.people
                self.ended = True
            case RoleChanged() | ConferenceEdited():
                pass


class Meetings(RuleBasedStateMachine):
    """Six people come, go and command, and look at the roster whenever they like."""

    meeting: Meeting
    now = 0.0

    @initialize(
        admission=st.sampled_from(AdmissionPolicy),
        autopromote=st.sampled_from(Autopromote),
        invited=st.dictionaries(st.sampled_from([BOB, CAROL]), st.sampled_from(ConferenceRole)),
        present=st.lists(USERS, min_size=2, max_size=6, unique=True),
    )
    def opens(
        self,
        admission: AdmissionPolicy,
        autopromote: Autopromote,
        invited: dict[Aor, ConferenceRole],
        present: list[Aor],
    ) -> None:
        """Begin with some people in it."""
        self.conference = conference(admission=admission, autopromote=autopromote, invited=invited)
        self.meeting = begin(self.conference, "one", HOUSE, self.now, "Alice")
        self.watchers: dict[Aor, Watcher] = {}
        self.secretary = Secretary()
        self.serial = 0
        for user in present:
            self.joins(user, DESK, True)
            self.joins_chat(user, DESK)

    def took(self, step: MeetingStep | ConferenceDenied) -> None:
        """Go on from a step; who is no longer there watches no longer."""
        if isinstance(step, ConferenceDenied):
            return
        self.meeting, changes = step
        for change in changes:
            self.secretary.notes(change)
        for user in [user for user in self.watchers if user not in self.meeting.attendees]:
            del self.watchers[user]
        for user in EAGER:
            self.looks(user)
        if self.meeting.ended:
            self.the_changes_told_all()
            self.meeting = begin(self.conference, "next", HOUSE, self.now, "Alice")
            self.secretary = Secretary()

    @rule(user=USERS, epid=EPIDS, capable=st.booleans())
    def joins(self, user: Aor, epid: Epid, capable: bool) -> None:
        """Somebody comes; a locked door lets in those alone whom it knows."""
        self.serial += 1
        who = replace(joiner(user, epid, lobby_capable=capable), entity=f"focus-{self.serial}")
        known, relation = user in self.meeting.attendees, relation_of(self.meeting, who)
        step = join(self.meeting, who, self.now)
        if not known and self.meeting.locked and not isinstance(step, ConferenceDenied):
            trusted = relation in (JoinerRelation.ORGANIZER, JoinerRelation.PRESENTER, JoinerRelation.RETURNING)
            assert step[0].attendees[user].waits != trusted
        self.took(step)

    @rule(user=USERS, epid=EPIDS)
    def joins_chat(self, user: Aor, epid: Epid) -> None:
        """A device takes part in the chat."""
        self.serial += 1
        self.took(medium_joined(self.meeting, user, epid, CHAT, f"chat-{self.serial}", self.now))

    @rule(user=USERS, epid=EPIDS)
    def leaves_chat(self, user: Aor, epid: Epid) -> None:
        """Its leg ends."""
        self.took(medium_left(self.meeting, user, epid, CHAT))

    @rule(user=USERS, epid=EPIDS, lost=st.booleans())
    def leaves(self, user: Aor, epid: Epid, lost: bool) -> None:
        """A device leaves, or is lost."""
        self.took(leave(self.meeting, user, epid, self.now, lost=lost))

    @rule(actor=ACTORS, which=st.integers(0, 5), granted=st.booleans())
    def decides(self, actor: Aor | None, which: int, granted: bool) -> None:
        """A presenter opens the door for somebody who waits, or does not."""
        people = self.meeting.lobby or self.meeting.inside
        if people:
            user = people[which % len(people)].user
            self.took((admit if granted else deny)(self.meeting, actor, user, self.now))

    @rule(actor=ACTORS, user=USERS, role=st.sampled_from(ConferenceRole))
    def promotes(self, actor: Aor | None, user: Aor, role: ConferenceRole) -> None:
        """Somebody gets a role."""
        self.took(set_role(self.meeting, actor, user, role))

    @rule(actor=ACTORS, locked=st.booleans())
    def locks(self, actor: Aor | None, locked: bool) -> None:
        """The door is shut or opened."""
        self.took(set_lock(self.meeting, actor, locked=locked))

    @rule(actor=ACTORS, user=USERS)
    def ejects(self, actor: Aor | None, user: Aor) -> None:
        """Somebody is thrown out; what he was does not open a closed door for him any more."""
        step = eject(self.meeting, actor, user, self.now)
        self.took(step)
        if not isinstance(step, ConferenceDenied) and actor != user and user in self.meeting.ejected:
            assert relation_of(self.meeting, joiner(user)) in (
                JoinerRelation.ORGANIZER,
                JoinerRelation.COLLEAGUE,
                JoinerRelation.OUTSIDER,
            )

    @rule(subject=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=6))
    def reforms(self, subject: str) -> None:
        """The conference gets another subject."""
        self.conference = replace(self.conference, subject=subject)
        self.took(reform(self.meeting, self.conference))

    @rule(seconds=st.sampled_from([1.0, 6.0, 30.0]))
    def waits(self, seconds: float) -> None:
        """Time passes; nothing is due twice."""
        self.now += seconds
        self.took(expire(self.meeting, self.now))
        due = deadline(self.meeting)
        assert due is None or due > self.now

    @rule()
    def dies(self) -> None:
        """The process is killed; what was remembered goes on, and everybody who was in may come back."""
        active = remembered(self.meeting, NOON)
        before = self.meeting
        again = begin(replace(self.conference, active=active), "next", HOUSE, self.now, "Alice")
        for attendee in before.inside:
            if not attendee.guest:
                step = join(again, joiner(attendee.user, lobby_capable=False), self.now)
                assert not isinstance(step, ConferenceDenied)
                wanted = attendee.role if attendee.user in before.granted else step[0].attendees[attendee.user].role
                assert step[0].attendees[attendee.user].role is wanted
        self.meeting, self.watchers = again, {}
        self.secretary = Secretary(locked=again.locked)

    @rule()
    def all_look(self) -> None:
        """Those who had not been shown each step are shown them all at once."""
        for user in list(self.meeting.attendees):
            self.looks(user)

    def looks(self, user: Aor) -> None:
        """Somebody subscribes, or is shown what is new; then he sees what a newcomer would see."""
        audience = audience_of(self.meeting, user)
        if audience is None:
            return
        watcher = self.watchers.get(user)
        if watcher is None:
            self.watchers[user] = watcher = Watcher(audience, self.meeting)
            watcher.hears(full(self.meeting, audience))
        else:
            sheet = delta(watcher.shown, watcher.audience, self.meeting, audience)
            if sheet is not None:
                watcher.hears(sheet)
            watcher.audience, watcher.shown = audience, self.meeting
        newcomer = StandardClient()
        newcomer.reads(full(self.meeting, audience).at(1))
        assert watcher.standard.seen == newcomer.seen
        self.compares(watcher)

    def compares(self, watcher: Watcher) -> None:
        """Hold what the real client shows against the meeting."""
        if watcher.audience.view is RosterView.SELF:
            assert watcher.real.room == set()
            assert list(watcher.standard.users) == [watcher.audience.who]
            return
        chatting = {a.user for a in self.meeting.inside if any(end.kind == CHAT for end in a.endpoints)}
        assert watcher.real.room == chatting
        assert watcher.real.locked == self.meeting.locked
        assert watcher.real.chat == self.conference.mcu(CHAT)

    @invariant()
    def the_rules_hold(self) -> None:
        """Whatever happened, the meeting is one that may be."""
        meeting: Any = getattr(self, "meeting", None)  # Any: not there before it opens
        if meeting is None:
            return
        assert len(meeting.inside) <= HOUSE.size
        assert len(meeting.lobby) <= HOUSE.lobby
        assert not (meeting.ended and meeting.attendees)
        for attendee in meeting.attendees.values():
            devices = {end.epid for end in attendee.endpoints if end.kind == "focus"}
            assert devices
            assert devices == {end.epid for end in attendee.endpoints}
            assert not attendee.waits or all(end.kind == "focus" for end in attendee.endpoints)
            assert attendee.user != ALICE or attendee.role is ConferenceRole.PRESENTER

    @invariant()
    def the_changes_told_all(self) -> None:
        """Whoever noted the changes alone knows who is there, with which endpoints."""
        if not hasattr(self, "meeting"):
            return
        assert self.secretary.people == {
            user: {(end.epid, end.kind): end.entity for end in attendee.endpoints}
            for user, attendee in self.meeting.attendees.items()
        }
        assert self.secretary.waiting == {attendee.user for attendee in self.meeting.lobby}
        assert self.secretary.locked == self.meeting.locked
        assert self.secretary.ended == self.meeting.ended


TestMeetings = Meetings.TestCase
TestMeetings.settings = settings(max_examples=many(150), stateful_step_count=40)
