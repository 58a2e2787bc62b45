"""The section [store]."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lyncpy.backends.postgres_url import POSTGRESQL, PostgresAddress, server_of

SQLITE: Final = "sqlite:///"


class Settings(BaseModel):
    """Where the server keeps what must survive a restart, and for how long."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    # repr=False: somebody may write a password into it all the same, and what is refused is not shown then.
    url: str = Field(default="sqlite:///lyncpy.db", repr=False)
    """The database: sqlite:/// and a file name, relative to the folder of this file, which is made, with mode 0600, when it is not there; or an empty database of a PostgreSQL server (15 or later), "postgresql://user@host:5432/name". Several hosts, with commas between, are tried in turn for the one that takes writes. Beyond this machine the server's certificate is checked, for its name too (sslmode=verify-full), unless the url says otherwise."""

    password_file: str = Field(default="", repr=False)
    """The file whose content is the password of the PostgreSQL user, read for each connection; readable by the server alone. It never stands in the url."""

    ca_file: str = ""
    """The authorities (PEM) that may have issued the PostgreSQL server's certificate; empty: those the system trusts."""

    key_file: str = Field(default="store.key", min_length=1)
    """The key (mode 0600) that seals password hashes in the database; keep a copy of it, but not beside the copies of the database."""

    cdr_days: int = Field(default=60, ge=1, le=36500)
    """Days that the record of a session, or of a conference and who was in it, is kept after its end."""

    audit_days: int = Field(default=365, ge=1, le=36500)
    """Days that an operator's command stays on record."""

    journal_days: int = Field(default=365, ge=1, le=36500)
    """Days that a line of a journal is kept."""

    backup_days: int = Field(default=7, ge=0, le=3650)
    """Days after the last `lyncpy backup` (or the first start) from which on `conditions` says that it is old; 0: never, where other programs make backups."""

    backup_folder: str = Field(default="backups", min_length=1)
    """The folder into which the shell's `backup` writes; it is made, readable by its owner alone. On another disk than the database it outlives that."""

    backup_passphrase_file: str = Field(default="", repr=False)
    """The file whose first line is the passphrase that seals backups; readable by the server alone, and kept elsewhere as well. Empty: they are not sealed."""

    large_bytes: int = Field(default=53_687_091_200, ge=1_048_576, le=1 << 50)
    """Bytes of the database from which on `conditions` says that it is large."""

    sweep_s: float = Field(default=30.0, ge=1.0, le=1800.0)
    """Seconds after which a server looks at what others have written, and sees what it was not told of: so old can be what it shows after news were lost. Where it knows that they may be, it looks at once."""

    waiting_max: int = Field(default=20000, ge=100, le=1_000_000)
    """Reads or writes that may wait for the database at once; beyond it requests are refused with 503 instead of filling the memory."""

    busy_s: float = Field(default=5.0, ge=0.1, le=60.0)
    """Seconds that a write waits while another program (a backup, `lyncpy user`) writes to the same file, or holds the same rows of PostgreSQL."""

    statement_s: float = Field(default=10.0, ge=1.0, le=600.0)
    """Seconds that PostgreSQL may take for one statement; then it is taken back, and who asked is refused with 503. A server that has said nothing for as long again is taken to hang, and requests that need it are refused at once."""

    close_s: float = Field(default=10.0, ge=1.0, le=300.0)
    """Seconds that an orderly end may take to write what still waits; what is left then is named in the log, and the process ends with status 1."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url.startswith(POSTGRESQL):
            server_of(url)
        elif not url.startswith(SQLITE) or len(url) == len(SQLITE) or url.endswith(("/", ":memory:")) or "?" in url:
            raise ValueError(
                'must be "sqlite:///" and the name of a file, e.g. "sqlite:////var/lib/lyncpy/lyncpy.db", '
                'or "postgresql://user@host/name"'
            )
        return url

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this server's own."""
        return self.url.startswith(SQLITE)

    @property
    def path(self) -> str:
        """The name of the database file, as it was written; of PostgreSQL there is none."""
        return self.url.removeprefix(SQLITE) if self.is_sqlite else ""

    @property
    def server(self) -> PostgresAddress:
        """What a PostgreSQL url says."""
        return server_of(self.url)
