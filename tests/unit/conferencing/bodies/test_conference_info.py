"""The roster as presenters, attendees and those in the lobby are shown it."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.conferencing.bodies.conference_info import (
    ATTENDEES,
    MSCI_NS,
    PRESENTERS,
    RosterAudience,
    RosterBody,
    RosterView,
    audience_of,
    delta,
    full,
    kept,
)
from lyncpy.workloads.conferencing.model.attendees import Meeting
from lyncpy.workloads.conferencing.model.conference import CHAT, Active, AdmissionPolicy, ConferenceRole
from lyncpy.workloads.conferencing.model.meeting import admit, join, leave, medium_left, reform, set_lock, set_role
from tests.kit.hall import tree
from tests.kit.rosters import ALICE, BOB, CAROL, DAVE, DESK, FOCUS, NOON, conference, done, joiner, meeting, policy_with

CHAT_URI = FOCUS.replace(":focus:", ":chat:")


def read(sheet: RosterBody | None, version: int = 1) -> Any:  # Any: lxml's element
    """Read a document that must be there."""
    assert sheet is not None
    return tree(sheet.at(version))


def users(sheet: RosterBody | None) -> dict[str, str]:
    """Give whom a document names, and how."""
    return {user.get("entity"): user.get("state") for user in read(sheet).findall("users/user")}


def shown(before: Meeting, after: Meeting, audience: RosterAudience = ATTENDEES) -> RosterBody | None:
    """Give what is new to an audience."""
    return delta(before, audience, after, audience)


@pytest.fixture
def closed() -> Meeting:
    """Alice and Bob are in; Carol and Dave wait."""
    running = meeting(
        ALICE, BOB, admission=AdmissionPolicy.CLOSED, invited={BOB: ConferenceRole.ATTENDEE}, subject="A & B"
    )
    for user in (CAROL, DAVE):
        running = done(join(running, joiner(user), 0.0))
    return running


def test_the_first_document_is_what_the_real_client_needs() -> None:
    """Where the chat is, who leads, who is in it, and whether the door is shut."""
    running = meeting(ALICE, BOB, subject="A & B", meeting_policy=policy_with(meeting_url="https://meet.contoso.test"))
    info = read(full(running, ATTENDEES), 1)
    assert (info.get("entity"), info.get("state"), info.get("version")) == (FOCUS, "full", "1")
    about = info.find("conference-description")
    assert about.findtext("subject") == "A & B"
    (entry,) = about.findall("conf-uris/entry")
    assert (entry.findtext("purpose"), entry.findtext("uri")) == ("chat", CHAT_URI)
    assert about.findtext("organizer/display-name") == "Alice Arnold"
    assert about.findtext("join-url") == "https://meet.contoso.test/alice/59CED1B0"
    alice, bob = info.findall("users/user")
    assert (alice.get("entity"), alice.findtext("display-text"), alice.findtext("roles/entry")) == (
        ALICE,
        "Alice",
        "presenter",
    )
    assert bob.findtext("roles/entry") == "attendee"
    assert [(end.get(f"{{{MSCI_NS}}}session-type"), end.findtext("status")) for end in bob.findall("endpoint")] == [
        ("focus", "connected"),
        ("chat", "connected"),
    ]
    (view,) = [
        view for view in info.findall("conference-view/entity-view/entity-state") if view.find("media") is not None
    ]
    assert (view.findtext("media/entry/type"), view.findtext("locked")) == (CHAT, "false")


def test_each_generation_of_terms_stands_behind_its_separator() -> None:
    """An older client passes over what comes after a separator that it does not know ([MS-CONFPRO] 4.1)."""
    about = read(full(meeting(ALICE), ATTENDEES), 1).find("conference-description")
    names = [one.tag.rpartition("}")[2] for one in about]
    assert names[names.index("admission-policy") + 1 :][:4] == [
        "separator",
        "separator",
        "autopromote",
        "pstn-lobby-bypass",
    ]


def test_the_version_is_the_watchers() -> None:
    """One rendering serves all; the number alone differs."""
    sheet = full(meeting(ALICE), PRESENTERS)
    assert read(sheet, 41).get("version") == "41"


def test_presenters_see_who_waits_and_attendees_do_not(closed: Meeting) -> None:
    """Who waits sees himself alone, on hold, and not where the chat is."""
    assert list(users(full(closed, PRESENTERS))) == [ALICE, BOB, CAROL, DAVE]
    assert list(users(full(closed, ATTENDEES))) == [ALICE, BOB]
    audience = audience_of(closed, CAROL)
    assert audience == RosterAudience(RosterView.SELF, CAROL)
    info = read(full(closed, audience))
    (carol,) = info.findall("users/user")
    assert (carol.get("entity"), carol.findtext("endpoint/status")) == (CAROL, "on-hold")
    assert info.find("conference-description/conf-uris") is None
    assert info.findtext("conference-description/subject") == "A & B"
    assert info.find("conference-state/user-count") is None
    assert info.find("conference-view") is None


def test_everybody_belongs_to_an_audience(closed: Meeting) -> None:
    """By their role; who is not there to none."""
    assert [audience_of(closed, user) for user in (ALICE, BOB, Aor("sip:x@y"))] == [PRESENTERS, ATTENDEES, None]


def test_an_arrival_tells_of_the_one_who_came() -> None:
    """And that there is one more."""
    before = meeting(ALICE, BOB)
    sheet = shown(before, done(join(before, joiner(CAROL), 1.0)))
    assert users(sheet) == {CAROL: "full"}
    info = read(sheet)
    assert info.get("state") == "partial"
    assert info.find("users").get("state") == "partial"
    assert info.findtext("conference-state/user-count") == "3"
    assert info.find("conference-description") is None
    assert info.find("conference-view") is None


def test_a_change_of_somebody_repeats_their_chat() -> None:
    """Otherwise the real client would show that they left the room."""
    before = meeting(ALICE, BOB)
    sheet = shown(before, done(set_role(before, ALICE, BOB, ConferenceRole.PRESENTER)))
    (bob,) = read(sheet).findall("users/user")
    assert bob.findtext("roles/entry") == "presenter"
    assert "chat" in [end.get(f"{{{MSCI_NS}}}session-type") for end in bob.findall("endpoint")]


def test_who_leaves_is_marked_as_deleted() -> None:
    """Being merely missing would mean nothing to the real client."""
    before = meeting(ALICE, BOB)
    assert users(shown(before, done(leave(before, BOB, DESK, 1.0)))) == {BOB: "deleted"}


def test_who_leaves_the_chat_is_shown_without_it() -> None:
    """He is in the meeting still."""
    before = meeting(ALICE, BOB)
    sheet = shown(before, done(medium_left(before, BOB, DESK, CHAT)))
    (bob,) = read(sheet).findall("users/user")
    assert [end.get(f"{{{MSCI_NS}}}session-type") for end in bob.findall("endpoint")] == ["focus"]


def test_nothing_new_is_no_document(closed: Meeting) -> None:
    """Attendees do not hear of the lobby, and nobody hears of nothing."""
    more = done(join(closed, joiner(Aor("sip:erin@contoso.test")), 1.0))
    assert shown(closed, more, ATTENDEES) is None
    assert shown(closed, more, RosterAudience(RosterView.SELF, CAROL)) is None
    assert shown(closed, more, PRESENTERS) is not None
    assert shown(closed, closed, PRESENTERS) is None


def test_many_steps_fit_into_one_document() -> None:
    """Who came and went in between is not spoken of."""
    before = meeting(ALICE, BOB)
    after = done(join(before, joiner(CAROL), 1.0))
    after = done(leave(done(join(after, joiner(DAVE), 1.0)), CAROL, DESK, 1.0))
    assert users(shown(before, done(leave(after, BOB, DESK, 1.0)))) == {DAVE: "full", BOB: "deleted"}


def test_a_lock_is_told_where_the_client_looks(closed: Meeting) -> None:
    """Beside the chat, and as RFC 4575 has it; to who waits by the latter alone."""
    before = meeting(ALICE, BOB)
    info = read(shown(before, done(set_lock(before, ALICE, locked=True))))
    assert info.findtext("conference-state/locked") == "true"
    assert [e.text for e in info.findall("conference-view/entity-view/entity-state/locked")] == ["true", "true"]
    info = read(shown(closed, done(set_lock(closed, ALICE, locked=True)), RosterAudience(RosterView.SELF, CAROL)))
    assert [part.tag for part in info] == ["conference-state"]


def test_a_new_subject_is_told() -> None:
    """With all of the description; a change that nobody can see is not told."""
    before = meeting(ALICE, BOB)
    named = done(reform(before, replace(before.conference, subject="New")))
    info = read(shown(before, named))
    assert info.findtext("conference-description/subject") == "New"
    assert info.find("conference-description/conf-uris") is not None
    unseen = done(reform(before, replace(before.conference, passcode="secret")))
    assert shown(before, unseen) is None


def test_who_is_let_in_gets_everything(closed: Meeting) -> None:
    """A full document, and the others hear of them."""
    after = done(admit(closed, ALICE, CAROL, 1.0))
    audience = audience_of(after, CAROL)
    assert audience == ATTENDEES
    info = read(delta(closed, RosterAudience(RosterView.SELF, CAROL), after, audience), 2)
    assert (info.get("state"), info.get("version")) == ("full", "2")
    assert info.find("conference-description/conf-uris") is not None
    assert users(shown(closed, after, ATTENDEES)) == {CAROL: "full"}
    assert users(shown(closed, after, PRESENTERS)) == {CAROL: "full"}


def test_a_new_presenter_is_shown_the_lobby(closed: Meeting) -> None:
    """And one who is none any more is shown that it is gone."""
    promoted = done(set_role(closed, ALICE, BOB, ConferenceRole.PRESENTER))
    assert users(delta(closed, ATTENDEES, promoted, PRESENTERS)) == {BOB: "full", CAROL: "full", DAVE: "full"}
    demoted = done(set_role(promoted, ALICE, BOB, ConferenceRole.ATTENDEE))
    assert users(delta(promoted, PRESENTERS, demoted, ATTENDEES)) == {BOB: "full", CAROL: "deleted", DAVE: "deleted"}


def test_what_people_call_themselves_breaks_no_document() -> None:
    """Names, entities and addresses are only text."""
    nasty = '</user>"<&\x00'
    running = done(join(meeting(ALICE), replace(joiner(BOB), display_name=nasty, entity=nasty, gruu=nasty), 1.0))
    bob = read(full(running, ATTENDEES)).findall("users/user")[1]
    assert bob.findtext("display-text") == '</user>"<&'
    assert bob.find("endpoint").get("entity") == '</user>"<&'


def test_the_factory_tells_what_it_keeps() -> None:
    """All that the organizer said but the key of guests, and when it was last changed and held."""
    found = conference(
        subject="Budget",
        passcode="s3cret",
        notification_data="<n:notification-data xmlns:n='urn:n'><n:a/></n:notification-data>",
        invited={BOB: ConferenceRole.PRESENTER},
        activated=NOON + 60,
        active=Active("i", NOON + 60, False, {}, frozenset(), frozenset()),
        static=True,
        version=3,
    )
    text = kept(found, "https://meet.contoso.test")
    assert "s3cret" not in text
    info = tree(text.encode())
    assert (info.get("entity"), info.get("version"), info.get("static")) == (FOCUS, "3", "true")
    about = info.find("conference-description")
    assert {
        name: about.findtext(name)
        for name in ("subject", "conference-id", "last-update", "last-activate", "is-active", "expiry-time", "join-url")
    } == {
        "subject": "Budget",
        "conference-id": "59CED1B0",
        "last-update": "2026-07-20T12:00:00Z",
        "last-activate": "2026-07-20T12:01:00Z",
        "is-active": "true",
        "expiry-time": "2026-07-20T20:00:00Z",
        "join-url": "https://meet.contoso.test/alice/59CED1B0",
    }
    assert about.find("notification-data/a") is not None
    assert [(user.get("entity"), user.findtext("roles/entry")) for user in info.findall("users/user")] == [
        (BOB, "presenter")
    ]
    assert info.find("conference-view/entity-view").get("entity") == "chat"
