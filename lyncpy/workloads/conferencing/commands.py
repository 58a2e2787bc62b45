"""The commands of conferencing in the admin shell."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from heapq import nlargest
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.mcu import IMcu
from lyncpy.contracts.names import Aor, aor_of, bare, same_conference
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    OperatorRole,
    ShellCommand,
    Table,
)
from lyncpy.core.flags import count_flag
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.focus import Focus
from lyncpy.workloads.conferencing.focus_table import FocusTable
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import Attendee, Meeting, Rule
from lyncpy.workloads.conferencing.model.conference import (
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRole,
    join_url,
)

LISTED_MOST: Final = 10_000
"""Conferences that are put in order for one answer."""

_CHOSEN: Final = (
    Flag("all", "also those that do not run"),
    Flag("of", "of one organizer", takes="USER"),
    Flag("limit", f"at most so many, those with most people first; {LISTED_MOST} at most", takes="N"),
)

CONFERENCES = form(
    "id organizer subject state people:number lobby:number messages:number admission locked:truth",
    counts="running people messages",
)

_SENTENCES = {
    C3pReason.USER_DOES_NOT_EXIST: "nobody with this address is there",
    C3pReason.ALREADY_ADMITTED: "they have been let in already",
    C3pReason.CONFERENCE_FULL: "the meeting is full",
}
"""For operators, where the rule has no sentence of its own."""


class Commands:
    """Lists conferences and meetings, and lets operators act in meetings."""

    def __init__(
        self,
        foci: FocusTable,
        conferences: ConferenceTable,
        chat: IMcu | None,
        meeting_url: str,
        nodes: INodes,
        timers: ITimers,
    ) -> None:
        self._foci = foci
        self._conferences = conferences
        self._chat = chat
        self._meeting_url = meeting_url
        self._nodes = nodes
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Return the commands."""
        id_ = Arg("id", "a conference's id, or its URI", choices=self._ids)
        user = Arg("user", "somebody who is in it", choices=self._users)
        acts: Sequence[tuple[str, str, Callable[[Meeting, CommandCall], object], tuple[Arg, ...]]] = (
            ("lock", "Let nobody else into a meeting.", lambda m, _: rules.set_lock(m, None, locked=True), ()),
            ("unlock", "Open a locked meeting again.", lambda m, _: rules.set_lock(m, None, locked=False), ()),
            ("end", "End a meeting for everybody.", lambda m, _: rules.end(m, None), ()),
            (
                "eject",
                "Take somebody out of a meeting.",
                lambda m, asked: rules.eject(m, None, _user(asked), self._timers.now()),
                (user,),
            ),
            (
                "admit",
                "Let somebody in who waits in the lobby.",
                lambda m, asked: rules.admit(m, None, _user(asked), self._timers.now()),
                (user,),
            ),
            (
                "deny",
                "Send somebody away who waits in the lobby.",
                lambda m, asked: rules.deny(m, None, _user(asked), self._timers.now()),
                (user,),
            ),
            (
                "promote",
                "Make somebody a presenter.",
                lambda m, asked: rules.set_role(m, None, _user(asked), ConferenceRole.PRESENTER),
                (user,),
            ),
            (
                "demote",
                "Make a presenter an attendee.",
                lambda m, asked: rules.set_role(m, None, _user(asked), ConferenceRole.ATTENDEE),
                (user,),
            ),
        )
        where = partial(ShellCommand, reach=CommandReach.WHERE_IT_IS)
        return (
            ShellCommand(
                "conferences",
                "Which meetings run now; with --all, every conference that is kept.",
                self.conferences,
                flags=_CHOSEN,
                reach=CommandReach.EVERYWHERE,
                form=CONFERENCES,
            ),
            where(
                "conference show",
                "Who is in a conference, as what, and what holds for it.",
                self.show,
                args=(id_,),
                form=form("user name role where epid media client messages:number"),
            ),
            *(
                where(f"conference {word}", help_, self._act(rule), args=(id_, *more), role=OperatorRole.OPERATOR)
                for word, help_, rule, more in acts
            ),
        )

    async def conferences(self, asked: CommandCall) -> Table:
        """List the running meetings, or all conferences."""
        organizer = self._organizer(asked.flags)
        running = {focus.meeting.conference.key: focus for focus in self._foci.all_running()}
        kept = (
            self._conferences.all_conferences()
            if "all" in asked.flags
            else [
                *(f.meeting.conference for f in running.values()),
                *(one for one in self._conferences.active() if one.key not in running and self._elsewhere(one)),
            ]
        )
        found = [(one, running.get(one.key)) for one in kept if organizer in (None, one.organizer)]
        total = len(found)
        if "limit" in asked.flags:
            most = count_flag(asked.flags, "limit", LISTED_MOST)
            found = nlargest(most, found, key=lambda one: 0 if one[1] is None else len(one[1].meeting.inside))
        rows = [self._row(*one) for one in found]
        said = sum(sum(self._counts(focus).values()) for focus in running.values())
        people = sum(len(focus.meeting.inside) for focus in running.values())
        note = f"{len(running)} run now, with {people} people and {said} messages so far"
        if len(rows) < total:
            note += f"; {len(rows)} of {total} are shown (--limit)"
        columns = ("id", "organizer", "subject", "state", "people", "lobby", "messages", "admission", "locked")
        counts = {"rows": total, "running": len(running), "people": people, "messages": said}
        return Table(columns, rows, note=note, counts=counts)

    async def show(self, asked: CommandCall) -> Table:
        """Show one conference, its people and their devices."""
        conference, focus = self._find(asked)
        if focus is None and not asked.alone:
            raise CommandFailed(f"{conference.id} does not run here")
        if focus is None:
            elsewhere = self._elsewhere(conference)
            where = f"runs at the server {elsewhere}" if elsewhere else "does not run now"
            note = f"{conference.uri} {where}; {self._about(conference)}"
            rows: list[tuple[object, ...]] = [
                (bare(user), "", role.value, "invited", "", "", "", 0) for user, role in conference.invited.items()
            ]
        else:
            counts = self._counts(focus)
            rows = [
                row for attendee in focus.meeting.attendees.values() for row in self._people(focus, attendee, counts)
            ]
            lock = "locked" if focus.meeting.locked else "open"
            note = f"{conference.uri} runs, {lock}; {self._about(conference)}"
        columns = ("user", "name", "role", "where", "epid", "media", "client", "messages")
        return Table(columns, rows, note=note)

    def _people(self, focus: Focus, attendee: Attendee, counts: dict[Aor, int]) -> list[tuple[object, ...]]:
        where = "lobby" if attendee.waits else "inside"
        epids = dict.fromkeys(endpoint.epid for endpoint in attendee.endpoints)
        return [
            (
                bare(attendee.user),
                attendee.display_name,
                attendee.role.value,
                where,
                epid,
                " ".join(sorted(one.kind for one in attendee.endpoints if one.epid == epid)),
                next((one.client for one in attendee.endpoints if one.epid == epid), ""),
                counts.get(attendee.user, 0),
            )
            for epid in epids
        ]

    def _organizer(self, flags: Mapping[str, str]) -> Aor | None:
        """Give whose conferences are asked for; None for everybody's."""
        if "of" not in flags:
            return None
        # An address that somebody had last is theirs to an operator, as everywhere.
        named, owners = aor_of(flags["of"]), self._foci.owners
        meant = owners.address(owners.meant(named))
        if meant is None and not any(one.organizer == named for one in self._conferences.all_conferences()):
            raise CommandFailed(f'nobody is known as "{flags["of"][:80]}"; see: users')
        return meant or named

    def _row(self, conference: Conference, focus: Focus | None) -> tuple[object, ...]:
        elsewhere = self._elsewhere(conference)
        state = f"at {elsewhere}" if elsewhere else "kept"
        inside, lobby, messages, locked = 0, 0, 0, False
        if focus is not None:
            meeting = focus.meeting
            state, inside, lobby, locked = "running", len(meeting.inside), len(meeting.lobby), meeting.locked
            messages = sum(self._counts(focus).values())
        return (
            conference.id,
            bare(conference.organizer),
            conference.subject,
            state,
            inside,
            lobby,
            messages,
            conference.admission.value,
            locked,
        )

    def _about(self, conference: Conference) -> str:
        url = join_url(self._meeting_url, conference)
        link = f", link {url}" if url else ""
        return f"{conference.admission.value}{link}"

    def _act(self, rule: Callable[[Meeting, CommandCall], object]) -> Callable[[CommandCall], Awaitable[Table]]:
        async def run(asked: CommandCall) -> Table:
            focus = self._running(asked)
            bound: Rule = lambda meeting: rule(meeting, asked)  # type: ignore[assignment,return-value]  # noqa: E731
            step = await focus.change(bound)
            if isinstance(step, ConferenceDenied):
                raise CommandFailed(step.text or _SENTENCES.get(step.reason, step.reason.value))
            return Table((), (), note="done" if step[1] else "it was so already")

        return run

    def _running(self, asked: CommandCall) -> Focus:
        conference, focus = self._find(asked)
        elsewhere = self._elsewhere(conference)
        if focus is None and elsewhere:
            raise CommandFailed(f"{conference.id} runs at the server {elsewhere}; type it there, see: nodes")
        if focus is None:
            raise CommandFailed(f"{conference.id} does not run now; see: conferences")
        return focus

    def _elsewhere(self, conference: Conference) -> str:
        """Give the other node that runs a conference, as far as this one knows; "": none does."""
        if conference.active is None or self._foci.running(conference.uri) is not None:
            return ""
        return conference.run_by if any(one.name == conference.run_by for one in self._nodes.others()) else ""

    def _find(self, asked: CommandCall) -> tuple[Conference, Focus | None]:
        wanted = asked.args["id"]
        by_uri = self._conferences.at(wanted)
        found = (
            [by_uri]
            if by_uri
            else [one for one in self._conferences.all_conferences() if same_conference(one.id, wanted)]
        )
        if not found:
            raise CommandFailed(f'there is no conference "{wanted}"; see: conferences --all')
        if len(found) > 1:
            uris = ", ".join(one.uri for one in found[:5])
            raise CommandFailed(f'several organizers have a conference "{wanted}"; give one of {uris}')
        return found[0], self._foci.running(found[0].uri)

    def _counts(self, focus: Focus) -> dict[Aor, int]:
        return {} if self._chat is None else dict(self._chat.counts(focus.uri))

    def _ids(self) -> Sequence[str]:
        return [focus.meeting.conference.id for focus in self._foci.all_running()]

    def _users(self) -> Sequence[str]:
        return sorted({bare(user) for focus in self._foci.all_running() for user in focus.meeting.attendees})


def _user(asked: CommandCall) -> Aor:
    return aor_of(asked.args["user"])
