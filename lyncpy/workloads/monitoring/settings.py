"""The section [monitoring]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Reports that clients send about errors and call quality."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    reports: bool = True
    """Whether clients' reports are kept; they are accepted in any case, for a client has nobody else to tell."""

    report_bytes: int = Field(default=65_536, ge=1024, le=1_048_576)
    """The largest report that is kept, in bytes; a larger one is refused with 413."""

    report_bytes_per_user: int = Field(default=4_194_304, ge=1_049_600, le=1_073_741_824)
    """Bytes of reports that are kept of one user in an hour, each a kilobyte more than its text; beyond it a report is refused with 503."""
