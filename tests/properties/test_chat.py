"""What holds in a chat whatever people and connections do."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from lyncpy.contracts.archive import EntryKind
from lyncpy.contracts.facts import FlowClosed
from tests.kit.chats import Chat, Member, SlowArchive, number_of
from tests.kit.soak import many

USERS = st.sampled_from(["alice", "bob", "carol", "dave"])


class Said:
    """A message that was acknowledged."""

    def __init__(self, sender: Member, number: int, text: str, audience: list[Member]) -> None:
        self.sender = sender
        self.number = number
        self.text = text
        self.audience = audience


class Chats(RuleBasedStateMachine):
    """Joins, leaves, messages, answers, refusals, silences and lost connections, in any order."""

    members = Bundle("members")

    @initialize(window=st.integers(1, 3), waiting=st.integers(1, 4), archived=st.booleans())
    def begin(self, window: int, waiting: int, archived: bool) -> None:
        """Open a chat with narrow bounds."""
        self.archive = SlowArchive() if archived else None
        self.chat = Chat(self.archive, chat_window=window, chat_waiting=waiting, chat_silences=2)
        self.present: dict[tuple[str, str], Member] = {}
        self.everybody: list[Member] = []
        self.said: list[Said] = []
        self.taken: set[int] = set()
        self.devices = 0

    @rule(target=members, user=USERS)
    def joins(self, user: str) -> Any:
        """A new device comes."""
        if len(self.present) >= 5:
            return multiple()
        self.devices += 1
        member = self.chat.joins(user, f"e{self.devices}")
        self.present[member.user, member.epid] = member
        self.everybody.append(member)
        return member

    @rule(member=members)
    def speaks(self, member: Member) -> None:
        """Somebody who is there says something."""
        if not self._is_here(member):
            return
        text = f"{len(self.said)}"
        audience = [other for other in self.present.values() if other is not member]
        self.said.append(Said(member, number_of(member.says(text)), text, audience))
        self._look()

    @rule(member=consumes(members))
    def leaves(self, member: Member) -> None:
        """Somebody says BYE."""
        if self._is_here(member):
            member.leaves()
            self._look()

    @rule(member=consumes(members))
    def is_lost(self, member: Member) -> None:
        """A connection breaks: what is under way on it fails, and then everybody hears of it."""
        self.chat.outbound.gone.add(member.flow)
        for method in ("MESSAGE", "INFO", "BYE"):
            for call in self.chat.pending(member.flow, method):
                call.fails(430)
        self.chat.dialogs.flow_closed(FlowClosed(member.flow, "reset"))
        self._look()

    @rule(data=st.data(), status=st.sampled_from([200, 200, 200, 480, 500, 481, 408]))
    def is_answered(self, data: st.DataObject, status: int) -> None:
        """A client answers one of its messages, in whatever order, or has not answered in time."""
        calls = self.chat.pending()
        if not calls:
            return
        call = data.draw(st.sampled_from(calls))
        if status == 408:
            call.fails(408)
        else:
            call.answers(status)
        if status == 200:
            self.taken.add(id(call))
        self._look()

    @invariant()
    def what_came_is_what_was_said(self) -> None:
        """Nobody hears anything twice, out of its sender's order, or before he was there."""
        for member in getattr(self, "everybody", ()):
            for sender in self.everybody:
                of_his = [said.text for said in self.said if said.sender is sender and member in said.audience]
                came = [text for text in member.words if text in of_his]
                assert came == [text for text in of_his if text in came]
            due = {said.text for said in self.said if member in said.audience}
            assert set(member.words) <= due
            assert len(member.words) == len(set(member.words))

    def teardown(self) -> None:
        """Let everything be answered: then every message has arrived everywhere, or is reported."""
        if not hasattr(self, "chat"):
            return
        for _ in range(50):
            for call in self.chat.pending():
                self.taken.add(id(call))
                call.answers(200)
        self.chat.turn()
        self._look()
        for said in self.said:
            self._check(said)
        assert len(self.chat.archiving) == 0

    def _check(self, said: Said) -> None:
        got = {member for member in said.audience if self._has(member, said.text)}
        missing = {member for member in said.audience if member not in got}
        if self.archive is not None:
            self._check_archive(said, missing)
        if not self._is_here(said.sender):
            return
        reported = said.sender.reports[said.number]
        names = {name for name, _ in reported}
        assert len(reported) == len(missing)
        assert names <= {member.aor for member in missing} | {member.gruu for member in missing}

    def _check_archive(self, said: Said, missing: set[Member]) -> None:
        """See that the archive says once of a message whom it did not reach, also when its sender has left."""
        assert self.archive is not None
        entries = [one for one in self.archive.kept if one.message_id.endswith(f"-{said.number}")]
        (kept,) = (one for one in entries if one.kind is EntryKind.MESSAGE)
        assert kept.body.decode() == said.text
        notes = [{*one.recipients} for one in entries if one.kind is EntryKind.UNDELIVERED]
        assert notes == ([{member.aor for member in missing}] if missing else [])

    def _has(self, member: Member, text: str) -> bool:
        assert member.dialog is not None
        calls = [
            call
            for call in self.chat.outbound.calls
            if call.request.method == "MESSAGE"
            and call.request.call_id == member.dialog.call_id
            and call.request.body.decode() == text
        ]
        return any(id(call) in self.taken for call in calls)

    def _is_here(self, member: Member) -> bool:
        return self.present.get((member.user, member.epid)) is member

    def _look(self) -> None:
        """See who is still there: the focus hears, once, of each who is not; who does not answer is let go."""
        self.chat.turn()
        gone = [name for name, _ in self.chat.observer.heard]
        assert len(gone) == len({*gone})
        self.present = {name: one for name, one in self.present.items() if "/".join(name) not in gone}
        assert len(self.present) == len(self.chat.mcu) == len(self.chat.dialogs)


Chats.TestCase.settings = settings(max_examples=many(150), stateful_step_count=40)
TestChats = Chats.TestCase
