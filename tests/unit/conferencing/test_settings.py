"""What the section [conferencing] makes of conferences and meetings."""

import pytest
from pydantic import ValidationError

from lyncpy.contracts.policy import Policy
from lyncpy.workloads.conferencing.model.conference import AdmissionPolicy, Autopromote
from lyncpy.workloads.conferencing.settings import Settings


def test_each_limit_is_the_setting_of_its_name() -> None:
    """None is left at a value of its own, and none is another's."""
    settings = Settings(
        conferences_per_organizer=1,
        organizer_bytes=300_000,
        subject_letters=65,
        notification_bytes=66,
        invited_per_conference=67,
        ad_hoc_s=601,
        lobby_size=68,
        devices_per_user=9,
        meeting_url="https://meet.test",
        lobby_wait_s=69,
        linger_s=70,
        guests_alone_s=71,
        guests_left_s=72,
        idle_s=28_801,
    )
    terms = settings.terms(("chat",))
    assert (terms.media, terms.per_organizer, terms.organizer_bytes) == (("chat",), 1, 300_000)
    assert (terms.subject_letters, terms.notification_bytes, terms.invited, terms.ad_hoc_s) == (65, 66, 67, 601)
    assert (terms.admission, terms.autopromote) == (AdmissionPolicy.OPEN, Autopromote.COMPANY)
    limits = settings.meeting_policy(Policy())
    assert (limits.lobby, limits.devices, limits.meeting_url) == (68, 9, "https://meet.test")
    assert (limits.lobby_wait_s, limits.linger_s, limits.idle_s) == (69, 70, 28_801)
    assert (limits.guests_alone_s, limits.guests_left_s, limits.guests) == (71, 72, True)


def test_the_organizers_policy_decides_with_the_house() -> None:
    """How large their meetings are, and whether guests may come."""
    meeting_policy = Settings(guests=True).meeting_policy(Policy(meeting_size=10, anonymous_participants=False))
    assert (meeting_policy.size, meeting_policy.guests) == (10, False)
    assert not Settings(guests=False).meeting_policy(Policy()).guests


def test_words_of_the_settings_are_those_of_the_protocol() -> None:
    """Both who walks in and who leads."""
    terms = Settings(admission="anonymous", autopromote="nobody").terms(())
    assert (terms.admission, terms.autopromote) == (AdmissionPolicy.ANONYMOUS, Autopromote.NOBODY)


@pytest.mark.parametrize("url", ["", "https://meet.contoso.com", "https://meet.contoso.com/"])
def test_meeting_links_begin_with_a_secure_address(url: str) -> None:
    """Or there are none."""
    assert Settings(meeting_url=url).meeting_url == url


@pytest.mark.parametrize("url", ["http://meet.contoso.com", "meet.contoso.com", "https://", 'https://x"y'])
def test_refuses_an_address_that_no_link_can_begin_with(url: str) -> None:
    """The administrator learns it at the start, not the users."""
    with pytest.raises(ValidationError):
        Settings(meeting_url=url)
