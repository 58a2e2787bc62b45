"""What an organizer may schedule, and how conferences are named."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.names import Aor, ConferenceId
from lyncpy.workloads.conferencing.model.conference import (
    DAY_S,
    YEAR_S,
    Active,
    AdmissionPolicy,
    Autopromote,
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceRole,
    join_url,
    modify,
    purgeable,
    read_address,
    schedule,
)
from tests.kit.rosters import ALICE, BOB, CAROL, FOCUS, NOON, conference, terms_with

TERMS = terms_with(per_organizer=2, notification_bytes=16, subject_letters=20, invited=2)


def made(requested: ConferenceRequest, existing: tuple[Conference, ...] = (), **differs: Any) -> Conference:
    """Schedule what must be allowed."""
    found = schedule(ALICE, requested, existing, TERMS, NOON, **differs)
    assert isinstance(found, Conference), found
    return found


def why(found: Conference | ConferenceDenied) -> C3pReason:
    """Say why something was denied."""
    assert isinstance(found, ConferenceDenied), found
    return found.reason


def test_a_wish_for_nothing_gives_the_conference_of_the_house() -> None:
    """An ad-hoc conference lives for eight hours, open to colleagues, who become presenters."""
    found = made(ConferenceRequest(id="59CED1B0"))
    assert (found.organizer, found.id, found.version) == (ALICE, "59CED1B0", 1)
    assert (found.expires - NOON, found.admission, found.autopromote) == (
        28_800,
        AdmissionPolicy.OPEN,
        Autopromote.COMPANY,
    )
    assert (found.media, found.created, found.updated, found.activated) == (("chat",), NOON, NOON, None)
    assert found.uri == FOCUS
    assert found.mcu("chat") == FOCUS.replace(":focus:", ":chat:")


def test_everything_that_is_wished_is_kept() -> None:
    """The organizer finds their conference as they described it."""
    requested = ConferenceRequest(
        id="59CED1B0",
        subject="Budget",
        display_text="Budget 2027",
        expires=NOON + DAY_S,
        admission="anonymous",
        autopromote=0,
        pstn_lobby_bypass=True,
        media=("chat", "audio-video"),
        invited=((BOB, "presenter"), (CAROL, "attendee")),
        passcode="s3cret",
        notification_data="<n/>",
        static=True,
    )
    found = made(requested)
    assert (found.subject, found.display_text, found.expires) == ("Budget", "Budget 2027", NOON + DAY_S)
    assert (found.admission, found.autopromote) == (AdmissionPolicy.ANONYMOUS, Autopromote.NOBODY)
    assert found.invited == {BOB: ConferenceRole.PRESENTER, CAROL: ConferenceRole.ATTENDEE}
    assert (found.passcode, found.notification_data) == ("s3cret", "<n/>")
    assert found.pstn_lobby_bypass
    assert found.static


@pytest.mark.parametrize("requested", [None, (), ("chat", "audio-video"), ("meeting", "chat")])
def test_only_media_that_exist_are_granted(requested: tuple[str, ...] | None) -> None:
    """A client that asks for sound besides gets the chat there is."""
    assert made(ConferenceRequest(id="59CED1B0", media=requested)).media == ("chat",)


@pytest.mark.parametrize(
    ("requested", "reason"),
    [
        (ConferenceRequest(), C3pReason.INVALID_ID),
        (ConferenceRequest(id="short"), C3pReason.INVALID_ID),
        (ConferenceRequest(id="x" * 33), C3pReason.INVALID_ID),
        (ConferenceRequest(id="59CED1B/"), C3pReason.INVALID_ID),
        (ConferenceRequest(id="ÄÖÜÄÖÜÄÖ"), C3pReason.INVALID_ID),
        (ConferenceRequest(id="taken000"), C3pReason.CONFERENCE_EXISTS),
        (ConferenceRequest(id="59CED1B0", static=True), C3pReason.MAXIMUM_STATIC),
        (ConferenceRequest(id="59CED1B0", media=("audio-video",)), C3pReason.MCU_TYPE_NOT_AVAILABLE),
        (ConferenceRequest(id="59CED1B0", expires=NOON - YEAR_S - 1), C3pReason.INVALID_EXPIRY),
        (ConferenceRequest(id="59CED1B0", expires=NOON + 10 * YEAR_S + 1), C3pReason.INVALID_EXPIRY),
        (ConferenceRequest(id="59CED1B0", admission="everybody"), C3pReason.INVALID_ADMISSION_POLICY),
        (ConferenceRequest(id="59CED1B0", autopromote=7), C3pReason.INVALID_AUTOPROMOTE),
        (ConferenceRequest(id="59CED1B0", passcode="abc"), C3pReason.INVALID_PASSCODE),
        (ConferenceRequest(id="59CED1B0", passcode="a" * 17), C3pReason.INVALID_PASSCODE),
        (ConferenceRequest(id="59CED1B0", notification_data="ä" * 9), C3pReason.NOTIFICATION_DATA_TOO_LARGE),
        (ConferenceRequest(id="59CED1B0", subject="x" * 21), C3pReason.REQUEST_TOO_LARGE),
        (ConferenceRequest(id="59CED1B0", display_text="x" * 21), C3pReason.REQUEST_TOO_LARGE),
        (ConferenceRequest(id="59CED1B0", invited=((BOB, "attendee"),) * 3), C3pReason.REQUEST_TOO_LARGE),
        (ConferenceRequest(id="59CED1B0", invited=((BOB, "boss"),)), C3pReason.INVALID_ROLE),
    ],
)
def test_refuses_what_no_conference_can_be(requested: ConferenceRequest, reason: C3pReason) -> None:
    """Each mistake has its own word."""
    taken = replace(conference(), id=ConferenceId("TAKEN000"), static=True)
    assert why(schedule(ALICE, requested, (taken,), TERMS, NOON)) is reason


def test_an_organizer_keeps_so_many_conferences() -> None:
    """The one after the last is refused."""
    existing = (replace(conference(), id=ConferenceId("AAAAAAAA")), replace(conference(), id=ConferenceId("BBBBBBBB")))
    assert (
        why(schedule(ALICE, ConferenceRequest(id="59CED1B0"), existing, TERMS, NOON)) is C3pReason.MAXIMUM_CONFERENCES
    )
    assert made(ConferenceRequest(id="59CED1B0"), existing[:1])


def test_what_an_organizer_keeps_with_conferences_has_a_bound_in_all() -> None:
    """A thousand conferences with the largest data would be in memory; what makes none larger is still taken."""
    terms = terms_with(organizer_bytes=1000)
    large = replace(conference(), id=ConferenceId("AAAAAAAA"), notification_data="x" * 600, invited={})
    small = replace(conference(), id=ConferenceId("BBBBBBBB"), notification_data="", subject="", invited={})
    requested = ConferenceRequest(notification_data="y" * 600)
    assert (
        why(schedule(ALICE, replace(requested, id="59CED1B0"), (large,), terms, NOON)) is C3pReason.MAXIMUM_CONFERENCES
    )
    assert isinstance(schedule(ALICE, replace(requested, id="59CED1B0"), (small,), terms, NOON), Conference)
    assert why(modify(small, requested, terms, NOON, existing=(large, small))) is C3pReason.MAXIMUM_CONFERENCES
    crowd = ConferenceRequest(invited=tuple((Aor(f"sip:{number}@x"), "attendee") for number in range(5)))
    assert why(modify(small, crowd, terms, NOON, existing=(large, small))) is C3pReason.MAXIMUM_CONFERENCES
    assert isinstance(modify(large, requested, replace(terms, organizer_bytes=10), NOON, existing=(large,)), Conference)


@pytest.mark.parametrize(("meeting_policy", "policy"), [(False, True), (True, False)])
def test_no_meeting_for_guests_where_guests_are_not_allowed(meeting_policy: bool, policy: bool) -> None:
    """Both the house and the organizer's policy can forbid it."""
    requested, terms = ConferenceRequest(id="59CED1B0", admission="anonymous"), replace(TERMS, guests=meeting_policy)
    assert why(schedule(ALICE, requested, (), terms, NOON, guests=policy)) is C3pReason.ANONYMOUS_NOT_ALLOWED


def test_a_change_leaves_what_it_does_not_name() -> None:
    """A new subject changes neither the admission nor the invitation; the version grows."""
    before = conference(invited={BOB: ConferenceRole.PRESENTER}, admission=AdmissionPolicy.CLOSED, passcode="1234")
    after = modify(before, ConferenceRequest(subject="New"), TERMS, NOON + 60)
    assert after == replace(before, subject="New", updated=NOON + 60, version=2)


@pytest.mark.parametrize(
    ("requested", "reason"),
    [
        (ConferenceRequest(id="OTHER000"), C3pReason.INVALID_ID),
        (ConferenceRequest(static=True), C3pReason.STATIC_DOES_NOT_MATCH),
        (ConferenceRequest(version=7), C3pReason.INVALID_VERSION),
        (ConferenceRequest(expires=0.0), C3pReason.INVALID_EXPIRY),
    ],
)
def test_some_things_never_change(requested: ConferenceRequest, reason: C3pReason) -> None:
    """An id is for good; and whoever changes a version that they have not seen is told so."""
    assert why(modify(conference(), requested, TERMS, NOON)) is reason


def test_the_id_may_be_repeated_in_any_case() -> None:
    """A client that names the conference it changes is not mistaken for one that renames it."""
    assert isinstance(
        modify(conference(), ConferenceRequest(id="59ced1b0", version=1, static=False), TERMS, NOON), Conference
    )


def test_a_conference_is_over_when_it_expired_and_nobody_is_in_it() -> None:
    """A running meeting outlives its end, and a permanent one has none."""
    found = conference()
    assert not purgeable(found, found.expires - 1)
    assert purgeable(found, found.expires)
    assert not purgeable(replace(found, active=Active("i", NOON, False, {}, frozenset(), frozenset())), found.expires)
    assert not purgeable(replace(found, static=True), found.expires)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        (FOCUS, "focus"),
        (FOCUS.replace(":focus:", ":chat:"), "chat"),
        ("sip:Alice@Contoso.test;opaque=app:conf:FOCUS:id:59ced1b0;gruu", "focus"),
        (FOCUS.replace(":focus:", ":audio-video:"), "audio-video"),
    ],
)
def test_reads_the_uris_of_conferences(uri: str, kind: str) -> None:
    """However its parameters are ordered, it is the same conference."""
    address = read_address(uri)
    assert address is not None
    assert (address.organizer, address.kind, address.key) == (ALICE, kind, conference().key)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "sip:alice@contoso.test",
        "sip:alice@contoso.test;gruu;opaque=app:conf:focusfactory",
        "sip:alice@contoso.test;gruu;opaque=app:conf:focus:id:short",
        "tel:+49123;opaque=app:conf:focus:id:59CED1B0",
        FOCUS + "?x=y",
        FOCUS + ";" + "x" * 1024,
    ],
)
def test_other_uris_are_none_of_a_conference(uri: str) -> None:
    """A user, the factory, a broken id."""
    assert read_address(uri) is None


def test_a_meeting_has_a_link_where_the_house_has_a_site() -> None:
    """The link names the organizer and the conference."""
    assert join_url("https://meet.contoso.test/", conference()) == "https://meet.contoso.test/alice/59CED1B0"
    assert join_url("", conference()) == ""
