"""The section [im]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How long answers may take, and how many sessions there may be."""

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

    record_counts_s: float = Field(default=1.0, ge=0.1, le=60.0)
    """Seconds after which new message counts of a session under way reach its call detail record."""
