"""The section [registrar]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How long a registration holds and how many endpoints a user may have."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    expires_s: int = Field(default=7200, ge=60, le=86400)
    """Seconds that a registration holds when the client asks for nothing; clients refresh before it ends."""

    expires_minimum_s: int = Field(default=300, ge=30, le=86400)
    """The shortest registration that is granted, in seconds; who asks for less gets this."""

    expires_maximum_s: int = Field(default=28800, ge=60, le=604800)
    """The longest registration that is granted, in seconds; who asks for more gets this."""

    endpoints_per_user: int = Field(default=8, ge=1, le=64)
    """Devices of one user that may be signed in at once; one more signs out the one that signed in first."""

    endpoints_total: int = Field(default=20000, ge=1, le=1_000_000)
    """Devices of all users that may be signed in at once; beyond it sign-in is refused with 503."""

    keep_alive_s: int = Field(default=40, ge=30, le=1200)
    """Seconds after which an idle client sends a keep-alive. One that has promised them, and is silent for 10 seconds longer, is asked whether it is there; when nothing comes for another 10 it is taken for gone."""
