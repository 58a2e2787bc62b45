"""The section [conferencing]."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lyncpy.contracts.policy import Policy
from lyncpy.contracts.setting_forms import written_as
from lyncpy.workloads.conferencing.model.attendees import MeetingPolicy
from lyncpy.workloads.conferencing.model.conference import AdmissionPolicy, Autopromote, ConferenceTerms

_PROMOTED = {"nobody": Autopromote.NOBODY, "company": Autopromote.COMPANY, "everyone": Autopromote.EVERYONE}

_MeetingUrl = Annotated[str, written_as(r"(https://[^\s<>\"]+)?", 'write it as "https://meet.example.com"')]


class Settings(BaseModel):
    """Limits of conferences, how long they are kept, and when a meeting ends."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    announced: bool = True
    """Whether clients are told where to ask for conferences; without that they offer none."""

    meeting_url: _MeetingUrl = Field(default="", max_length=256)
    """Where meeting links begin, e.g. "https://meet.contoso.com"; a link is this, the organizer's name and the conference's id. Empty: conferences have no links."""

    conferences: int = Field(default=200_000, ge=100, le=10_000_000)
    """Conferences that are kept in all; one more is refused until others expire."""

    conferences_per_organizer: int = Field(default=1000, ge=1, le=100_000)
    """Conferences that one organizer may keep; those that have expired do not count."""

    ad_hoc_s: int = Field(default=28_800, ge=600, le=31_536_000)
    """Seconds that a conference is kept whose client does not say until when."""

    purge_every_s: int = Field(default=3600, ge=60, le=86_400)
    """How often conferences that are over for good are removed from the store, in seconds."""

    organizer_bytes: int = Field(default=4_194_304, ge=262_144, le=1_073_741_824)
    """Bytes of all texts, data of clients and invited people (a hundred each) in the conferences that one organizer keeps; all of them are in memory."""

    subject_letters: int = Field(default=1024, ge=64, le=8192)
    """Letters of a conference's subject, and of its description."""

    notification_bytes: int = Field(default=16_384, ge=0, le=131_072)
    """Bytes that a client may keep with a conference for those who join it."""

    invited_per_conference: int = Field(default=1000, ge=1, le=2000)
    """People that may be named in a conference's invitation."""

    admission: Literal["closedAuthenticated", "openAuthenticated", "anonymous"] = "openAuthenticated"
    """Who walks into a conference whose client does not say: the invited, all of this enterprise, or everybody with the link."""

    autopromote: Literal["nobody", "company", "everyone"] = "company"
    """Who becomes a presenter by joining a conference whose client does not say."""

    guests: bool = True
    """Whether conferences may be open to guests without an account at all; each organizer's policy decides further."""

    lobby_size: int = Field(default=100, ge=0, le=1000)
    """People who may wait in the lobby of one meeting."""

    lobby_wait_s: int = Field(default=1800, ge=30, le=86_400)
    """Seconds that somebody waits in the lobby before they are sent away."""

    devices_per_user: int = Field(default=8, ge=1, le=64)
    """Devices with which one person may take part in one meeting at once."""

    linger_s: int = Field(default=600, ge=0, le=86_400)
    """Seconds that a meeting waits for participants whose connections were all lost, also after a restart of the server; when the last one leaves of their own accord it ends at once."""

    guests_alone_s: int = Field(default=5400, ge=60, le=86_400)
    """Seconds that guests may be in a meeting before the first participant with an account comes."""

    guests_left_s: int = Field(default=600, ge=60, le=86_400)
    """Seconds that guests may stay after the last participant with an account has left."""

    idle_s: int = Field(default=86_400, ge=28_800, le=31_536_000)
    """Seconds after which a meeting ends that nobody with an account has joined since."""

    gather_ms: int = Field(default=50, ge=0, le=1000)
    """Milliseconds that changes of a roster are gathered before its watchers are told, so that people who join together are one notification; in a meeting of more than fifty in proportion longer, a thousand wait twenty times as long."""

    meetings: int = Field(default=10_000, ge=10, le=1_000_000)
    """Meetings that may run at once; one more is refused with 503."""

    meetings_per_organizer: int = Field(default=100, ge=1, le=100_000)
    """Meetings of one organizer that may run at once; one more is refused with 503."""

    records_per_user: int = Field(default=2_000, ge=10, le=1_000_000)
    """Call detail rows of conferences that one user, or all guests of one organizer together, may begin in an hour; what is beyond works, but leaves no row, and the log says whose it is."""

    record_counts_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    """Seconds after which new message counts of a running meeting reach its call detail records."""

    def terms(self, media: tuple[str, ...]) -> ConferenceTerms:
        """Return the limits of conferences; `media` are the kinds of MCU that exist here."""
        return ConferenceTerms(
            media=media,
            per_organizer=self.conferences_per_organizer,
            organizer_bytes=self.organizer_bytes,
            subject_letters=self.subject_letters,
            notification_bytes=self.notification_bytes,
            invited=self.invited_per_conference,
            ad_hoc_s=self.ad_hoc_s,
            admission=AdmissionPolicy(self.admission),
            autopromote=_PROMOTED[self.autopromote],
            guests=self.guests,
        )

    def meeting_policy(self, policy: Policy) -> MeetingPolicy:
        """Return the limits of a meeting whose organizer has this policy."""
        return MeetingPolicy(
            size=policy.meeting_size,
            lobby=self.lobby_size,
            devices=self.devices_per_user,
            guests=self.guests and policy.anonymous_participants,
            meeting_url=self.meeting_url,
            lobby_wait_s=self.lobby_wait_s,
            linger_s=self.linger_s,
            guests_alone_s=self.guests_alone_s,
            guests_left_s=self.guests_left_s,
            idle_s=self.idle_s,
        )
