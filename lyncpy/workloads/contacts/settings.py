"""The section [contacts]."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """How large a contact list may grow, and how long a subscription to it holds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    contacts_per_user: int = Field(default=1000, ge=1, le=10_000)
    """Contacts that one user may keep; one more is refused in words that the client shows."""

    groups_per_user: int = Field(default=63, ge=1, le=63)
    """Groups that one user may keep, the one for other contacts included; clients number them from 1 to 63."""

    extension_bytes: int = Field(default=4096, ge=0, le=65_536)
    """Bytes that a client may keep with one contact for its own use."""

    expires_s: int = Field(default=28_800, ge=300, le=86_400)
    """Seconds that a subscription to the contact list holds when the client asks for nothing."""

    expires_minimum_s: int = Field(default=1200, ge=300, le=86_400)
    """The shortest subscription in seconds; who asks for less is told to ask for this."""

    expires_maximum_s: int = Field(default=43_200, ge=300, le=86_400)
    """The longest subscription that is granted, in seconds; who asks for more gets this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.expires_minimum_s <= self.expires_s <= self.expires_maximum_s:
            raise ValueError("expires_s must lie between expires_minimum_s and expires_maximum_s")
        return self
