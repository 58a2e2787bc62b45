"""The section [archive]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """The archive of instant messages. Whose are archived is a policy: archive_internal and archive_external in [policies]."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    critical: bool = False
    """Whether a message that has to be archived and cannot be is refused; otherwise it is passed on, and the gap is recorded when the archive works again."""

    keep_days: int = Field(default=14, ge=0, le=36500)
    """Days that an entry is kept; 0 is for ever. What is purged leaves a sealed mark behind, so that the rest can still be verified."""

    gather_ms: int = Field(default=8, ge=0, le=100)
    """Milliseconds from the beginning of one write of the archive to that of the next, at least: messages that come in between are written together, and wait for it."""

    wait_s: float = Field(default=10.0, ge=0.5, le=60.0)
    """Seconds that a message waits for the archive's disk; then it cannot be archived."""

    waiting_bytes: int = Field(default=67_108_864, ge=1_048_576, le=1_073_741_824)
    """The most bytes of messages that wait for the disk at once, a quarter of it those of one sender; beyond it a message cannot be archived."""

    gap_file: str = Field(default="archive.gap", min_length=1)
    """A file of 8 KiB beside the database, whose room is taken at the first start: how many messages passed unarchived is written there before they pass. Out of critical mode they are refused only when even that cannot be written."""

    export_folder: str = Field(default="exports", min_length=1)
    """The folder below which `archive export` writes, each time into a new folder, readable by its owner alone."""
