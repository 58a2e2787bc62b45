"""What the section [conferencing] makes of conferences and meetings."""

import pytest
from pydantic import ValidationError

from lyncpy.contracts.policy import Policy
from lyncpy.workloads.conferencing.model.attendees import MeetingPolicy
from lyncpy.workloads.conferencing.model.conference import AdmissionPolicy, Autopromote, ConferenceTerms
from lyncpy.workloads.conferencing.settings import Settings


def test_the_defaults_are_those_of_the_rules() -> None:
    """A house without settings is the one that the rules describe."""
    assert Settings().terms(("chat",)) == ConferenceTerms()
    assert Settings().meeting_policy(Policy()) == MeetingPolicy()


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
