"""Guests: which doors there are, what opens them, and under which name a guest is shown."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, ConferenceId
from lyncpy.contracts.refusal import Refused
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.conferencing.guests import NAME_LETTERS, Guests, keys_of, shown_name
from lyncpy.workloads.conferencing.model.conference import Conference, read_address

CONFERENCE = Conference(Aor("sip:bob@contoso.test"), ConferenceId("854T0R7G"), 0.0, 0.0, 9.0, passcode="Key12345")


def guests(*, welcome: bool = True, domain: str = "contoso.test") -> Guests:
    """The doors of a house with one conference."""

    def find(uri: str) -> Conference | None:
        address = read_address(uri)
        return CONFERENCE if address is not None and address.key == CONFERENCE.key else None

    return Guests(
        find, lambda key: False, lambda user: user == "sip:x@anonymous.invalid", ("chat",), (domain,), welcome=welcome
    )


def test_focus_and_media_have_one_door() -> None:
    """Its realm is the organizer's address, its key the conference's."""
    focus, chat = (guests().door(uri) for uri in (CONFERENCE.uri, CONFERENCE.mcu("chat")))
    assert focus == chat
    assert (focus.conference, focus.realm, focus.keys) == (CONFERENCE.key, "bob@contoso.test", ("Key12345",))


def test_a_conference_that_does_not_exist_has_a_door_without_keys() -> None:
    """Nothing but the keys differs, and those nobody sees."""
    door = guests().door(CONFERENCE.uri.replace("854T0R7G", "NOSUCH11"))
    assert (door.conference, door.realm, door.keys) == ("sip:bob@contoso.test/nosuch11", "bob@contoso.test", ())


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:bob@contoso.test", 3021),
        ("sip:contoso.test", 3021),
        ("tel:+4930123", 3021),
        ("sip:bob@contoso.test;gruu;opaque=srvr:homeserver:x", 3021),
        ("sip:bob@contoso.test;gruu;opaque=app:conf:focusfactory", 3020),
        ("sip:bob@contoso.test;gruu;opaque=app:conf:audio-video:id:854T0R7G", 3020),
        ("sip:bob@contoso.test;gruu;opaque=app:conf:focus:id:x", 3020),
        ("sip:bob@fabrikam.test;gruu;opaque=app:conf:focus:id:854T0R7G", 3022),
    ],
)
def test_there_is_no_other_door(uri: str, number: int) -> None:
    """Whatever is no focus or medium of ours is closed, with the number that clients know."""
    with pytest.raises(Refused) as caught:
        guests().door(uri)
    assert caught.value.status == 403
    assert caught.value.diagnostics is not None
    assert caught.value.diagnostics.error_id == number


def test_a_house_without_guests_has_no_door_at_all() -> None:
    """Not even a conference's."""
    with pytest.raises(Refused) as caught:
        guests(welcome=False).door(CONFERENCE.uri)
    assert caught.value.diagnostics is not None
    assert caught.value.diagnostics.error_id == 3019


def test_what_is_no_uri_is_said_to_be_none() -> None:
    """It is the peer's fault."""
    with pytest.raises(RemoteProtocolError):
        guests().door("bob")


def test_who_is_inside_is_known() -> None:
    """The gate asks before it disconnects somebody."""
    assert guests().is_inside(Aor("sip:x@anonymous.invalid"))
    assert not guests().is_inside(Aor("sip:y@anonymous.invalid"))


def test_without_a_key_the_id_opens_or_nothing() -> None:
    """As it was made, and as it is spelled in the link."""
    address = read_address(CONFERENCE.uri.replace("854T0R7G", "854t0r7g"))
    assert address is not None
    assert keys_of(replace(CONFERENCE, passcode=""), address) == ("854T0R7G", "854t0r7g", "")
    assert keys_of(CONFERENCE, address) == ("Key12345",)


@pytest.mark.parametrize(
    ("wished", "shown"),
    [
        ("Zoe", "Zoe (Guest)"),
        ("", "Guest"),
        (" guest ", "Guest"),
        ("Zoë  van\tDyk\r\n", "Zoë van Dyk (Guest)"),
        ("Alice\u202e\u200b\x07", "Alice (Guest)"),
        ("a\u0000b", "a b (Guest)"),
        ("z" * 1000, "z" * NAME_LETTERS + " (Guest)"),
    ],
)
def test_a_guest_is_shown_as_one(wished: str, shown: str) -> None:
    """In one line, without letters that hide or turn others, and marked."""
    assert shown_name(wished) == shown
