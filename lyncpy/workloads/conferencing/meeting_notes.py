"""What happens to conferences, and why, in sentences for whoever traces them or their people."""

from collections.abc import Callable

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import about_conference
from lyncpy.contracts.names import Aor, bare, conference_key
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
    RoleChanged,
)
from lyncpy.workloads.conferencing.model.conference import Conference, ConferenceDenied


class MeetingNotes:
    """Tells of them within this process: where nobody traces, nobody hears it. See `MeetingObserver`.

    Args:
        bus: Tells.
    """

    def __init__(self, bus: IBus) -> None:
        self._bus = bus

    def note(self, id_: str, words: Callable[[], str], *people: Aor) -> None:
        """Tell of a conference with this id, "" where it is not known, and the same of people."""
        about = (about_conference(conference_key(id_)),) if id_ else ()
        self._bus.note(lambda: f"conference {id_}: {words()}" if id_ else words(), *about, *people)

    def asked(self, id_: str, actor: Aor, command: str, denied: ConferenceDenied | None) -> None:
        """Tell that somebody has asked for something, and what came of it."""
        self.note(id_, lambda: f"{bare(actor)} asked for {command}: {_done(denied)}", actor)

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Tell of a change."""
        people = () if (user := _user(change)) is None else (user,)
        self.note(after.conference.id, lambda: meeting_words(before, after, change), *people)


def _done(denied: ConferenceDenied | None) -> str:
    return "done" if denied is None else f"refused, {denied_words(denied)}"


def denied_words(denied: ConferenceDenied) -> str:
    """Say why something was refused: the word of the protocol, and what there is to say beside it."""
    return f"{denied.reason.value}: {denied.text}" if denied.text else denied.reason.value


def called_words(denied: ConferenceDenied | None) -> str:
    """Say what came of it that somebody was called in."""
    return "was called in, and accepted" if denied is None else f"was called in, in vain: {denied_words(denied)}"


def terms_words(conference: Conference) -> str:
    """Say whom a conference lets in."""
    return f"admission {conference.admission.value}, {len(conference.invited)} invited"


def meeting_words(before: Meeting, after: Meeting, change: MeetingChange) -> str:
    """Say what has changed between a meeting before and after, and why."""
    match change:
        case Arrived():
            return _arrival_words(after, change)
        case Gone(user, endpoint, why=why, last=last):
            was = "left the lobby" if before.attendees[user].waits else "is in it no more"
            return f"{bare(user)} with device {endpoint.epid.written} {was}: {why.value}{', their last device' if last else ''}"
        case MediumJoined(user, endpoint):
            return f"{bare(user)} with device {endpoint.epid.written} joined its {endpoint.kind}"
        case MediumLeft(user, endpoint):
            return f"{bare(user)} with device {endpoint.epid.written} left its {endpoint.kind}"
        case Admitted(user):
            return f"{bare(user)} was let in from the lobby"
        case RoleChanged(user, role):
            return f"{bare(user)} is {role.value} from now on"
        case LockChanged(locked):
            return "it was locked: everybody new waits in the lobby" if locked else "it was unlocked"
        case ConferenceEdited():
            return f"it was changed by its organizer: {terms_words(after.conference)}"
        case MeetingEnded(why):
            return f"its meeting is over: {why.value}"
    return type(change).__name__


def _arrival_words(after: Meeting, change: Arrived) -> str:
    attendee = after.attendees[change.user]
    device = f"{bare(change.user)} with device {change.endpoint.epid.written}"
    if change.waits:
        why = "it is locked" if after.locked else terms_words(after.conference)
        return f"{device} waits in the lobby as {attendee.relation.value}: {why}"
    if change.first:
        return f"{device} joined as {attendee.role.value}, let in as {attendee.relation.value}"
    return (
        f"{device} joined {'as a further one' if change.replaced is None else 'anew, in place of its earlier dialog'}"
    )


def _user(change: MeetingChange) -> Aor | None:
    return getattr(change, "user", None)
