"""The section [im]."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lyncpy.contracts.setting_forms import written_as


class Settings(BaseModel):
    """How long answers may take, how many sessions there may be, and the bounds of conferences' chats."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    invite_silent_s: float = Field(default=32.0, ge=16.0, le=300.0)
    """Seconds until an invitation to which no device reacts has timed out; some devices accept after ten."""

    ringing_s: float = Field(default=180.0, ge=16.0, le=900.0)
    """Seconds until an invitation that rings has timed out."""

    message_s: float = Field(default=30.0, ge=5.0, le=120.0)
    """Seconds until a message or any other request that a device does not answer has timed out."""

    sessions_per_user: int = Field(default=500, ge=1, le=100_000)
    """Sessions that one user began and that still last; one more is refused with 503."""

    sessions_total: int = Field(default=100_000, ge=1, le=10_000_000)
    """Sessions of all users at once; one more is refused with 503."""

    idle_s: float = Field(default=43200.0, ge=600.0, le=604800.0)
    """Seconds after which a session in which nothing was sent is taken for ended."""

    record_counts_s: float = Field(default=10.0, ge=0.1, le=600.0)
    """Seconds after which new message counts of sessions under way reach their call detail records, all in one write; at `kill -9` those of so many seconds are lost."""

    records_per_user: int = Field(default=2_000, ge=10, le=1_000_000)
    """Call detail records that one user may begin in an hour; sessions beyond it work, but leave no record, and the log says whose they are."""

    refused_gather_s: float = Field(default=60.0, ge=0.0, le=3600.0)
    """Seconds for which messages without a session that one user writes to the same other and that are refused alike are one call detail record, with their number."""

    chat_answer_s: float = Field(default=20.0, ge=5.0, le=120.0)
    """Seconds until a conference's message that a participant's device does not answer is reported as not delivered."""

    chat_silences: int = Field(default=3, ge=1, le=100)
    """Messages in a row that a participant's device does not answer, after which it is taken out of the chat."""

    chat_window: int = Field(default=64, ge=1, le=256)
    """Messages of a conference that may be on their way to one device at once; further ones wait for their turn."""

    chat_waiting: int = Field(default=200, ge=1, le=10_000)
    """Messages that may wait for one device; a further one is reported as not delivered to it."""

    chat_waiting_bytes: int = Field(default=1_048_576, ge=65_536, le=67_108_864)
    """Bytes that the messages which wait for one device may have together; a further one is reported likewise."""

    chat_legs_total: int = Field(default=20_000, ge=2, le=1_000_000)
    """Devices in the chats of all conferences together; a further one is refused with 503."""

    chat_legs_per_user: int = Field(default=400, ge=1, le=1_000_000)
    """Such devices of one user, in all conferences together; a further one is refused with 503."""

    group_members: int = Field(default=100, ge=1, le=1_000)
    """Members of a directory group that is invited to a conference; a larger group is refused with 403."""

    announcer: Annotated[
        str,
        written_as(r"[a-z0-9][a-z0-9._-]{0,62}", 'write what stands before the @, in small letters: "announcement"'),
    ] = "announcement"
    """What stands before the @ in the address from which `announce` speaks; it must be nobody's."""

    announcer_name: str = Field(default="Announcement", min_length=1, max_length=100)
    """The name that clients show above what `announce` says."""

    announced_per_s: float = Field(default=100.0, ge=1.0, le=1_000.0)
    """Devices that `announce` tells in a second, at each server."""
