"""The section [store]."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

SQLITE: Final = "sqlite:///"


class Settings(BaseModel):
    """Where the server keeps what must survive a restart, and for how long."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    url: str = "sqlite:///lyncpy.db"
    """The database: sqlite:/// and a file name, relative to the folder of this file; it is made, with mode 0600, when it is not there."""

    key_file: str = Field(default="store.key", min_length=1)
    """The key (mode 0600) that seals password hashes in the database; keep a copy of it, but not beside the copies of the database."""

    cdr_days: int = Field(default=60, ge=1, le=36500)
    """Days that the record of a session, or of a conference and who was in it, is kept after its end."""

    audit_days: int = Field(default=365, ge=1, le=36500)
    """Days that an operator's command stays on record."""

    journal_days: int = Field(default=365, ge=1, le=36500)
    """Days that a line of a journal is kept."""

    waiting_max: int = Field(default=20000, ge=100, le=1_000_000)
    """Reads or writes that may wait for the database at once; beyond it requests are refused with 503 instead of filling the memory."""

    busy_s: float = Field(default=5.0, ge=0.1, le=60.0)
    """Seconds that a write waits while another program (a backup, `lyncpy user`) writes to the same file."""

    close_s: float = Field(default=10.0, ge=1.0, le=300.0)
    """Seconds that an orderly end may take to write what still waits; what is left then is named in the log, and the process ends with status 1."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not url.startswith(SQLITE) or len(url) == len(SQLITE) or url.endswith(("/", ":memory:")) or "?" in url:
            raise ValueError('must be "sqlite:///" and the name of a file, e.g. "sqlite:////var/lib/lyncpy/lyncpy.db"')
        return url

    @property
    def path(self) -> str:
        """The name of the database file, as it was written."""
        return self.url.removeprefix(SQLITE)
