"""The section [bus]."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lyncpy.backends.nats.address import bus_of
from lyncpy.contracts.setting_forms import written_as

MEMORY: Final = "memory:"

_Subject = Annotated[
    str,
    written_as(
        r"[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32}){0,3}",
        "write one to four words with dots between, each of at most 32 letters, digits, _ and -",
    ),
]


class Settings(BaseModel):
    """How servers of one deployment tell each other what has changed."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    # repr=False: somebody may write a password into it all the same, and what is refused is not shown then.
    url: str = Field(default=MEMORY, repr=False)
    """Where changes are told: "memory:", within this server alone; or servers of one NATS cluster, "nats://user@host:4222,host:4222", of which any that answers is used. Beyond this machine TLS is used and the server's certificate checked, for its name too; "?tls=always" at the end has it so on this machine too, and "?tls=first" is for servers that begin with TLS."""

    password_file: str = Field(default="", repr=False)
    """The file whose content is the password of the user in `url`, read for each connection; readable by the server alone."""

    nkey_file: str = Field(default="", repr=False)
    """The file with the seed of a user's nkey (a line that begins with SU), in place of a user with a password; readable by the server alone."""

    ca_file: str = ""
    """The authorities (PEM) that may have issued the NATS servers' certificates; empty: those the system trusts."""

    subject: _Subject = Field(default="lyncpy")
    """What the names of all subjects begin with: the same for the servers of one deployment, and another for each that shares the NATS servers."""

    sign_s: float = Field(default=5.0, ge=0.1, le=60.0)
    """Seconds from one sign of life to the next, by which other servers see that they have missed something; three times as long without one, and a server is listed no more."""

    pending_bytes: int = Field(default=8_388_608, ge=65_536, le=1_073_741_824)
    """Bytes kept for a NATS server that does not take them; what is told beyond it is lost for others."""

    subscriptions: int = Field(default=50_000, ge=16, le=1_000_000)
    """Subscriptions to the news of single users (their presence, their lists), which this server has of those it shows; of more, it hears all news of a 1,024th of all users for each that is too much. A NATS server that bounds subscriptions (max_subscriptions) has to allow a few thousand more."""

    @property
    def is_memory(self) -> bool:
        """Whether nothing is told to others."""
        return self.url == MEMORY

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if url != MEMORY:
            bus_of(url)
        return url

    @model_validator(mode="after")
    def _one_proof(self) -> "Settings":
        user = "" if self.is_memory else bus_of(self.url).user
        if self.nkey_file and (user or self.password_file):
            raise ValueError(
                "nkey_file stands in place of a user in url and of password_file: set the one or the others"
            )
        if bool(user) != bool(self.password_file):
            raise ValueError("the user in url and password_file belong together: set both or none")
        return self
