"""The section [provisioning]."""

import re
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


class Settings(BaseModel):
    """What clients are told at sign-in. They ask again at the next sign-in and every few hours."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    media_encryption: Literal["SupportEncryption", "RequireEncryption", "DoNotSupportEncryption"] = "SupportEncryption"
    """Whether calls between two clients are encrypted: when both can, always, or never."""

    media_port_lowest: int = Field(default=0, ge=0, le=65_535)
    """The first of the ports that clients use for calls and transfers; 0 leaves the choice to them."""

    media_port_highest: int = Field(default=0, ge=0, le=65_535)
    """The last of these ports; clients need at least 40."""

    video: bool = True
    """Whether two clients may see each other."""

    file_transfer: bool = True
    """Whether two clients may send each other files."""

    desktop_sharing: bool = True
    """Whether two clients may show each other their desktops."""

    photos: Literal["NoPhoto", "PhotosFromADOnly", "AllPhotos"] = "AllPhotos"
    """Which pictures of people clients show: none, those of the directory, or those that people chose too."""

    photo_size_kb: int = Field(default=30, ge=0, le=100)
    """The largest picture, in kilobytes."""

    groups_in_contacts: int = Field(default=0, ge=0, le=64)
    """Groups of the directory that users may put into their contact list and open there to see who is in them; with 0 clients are told that there are none. Of Lync's own clients none has been seen to read our answer: try it with yours."""

    notes_remembered: int = Field(default=3, ge=0, le=10)
    """How many of their last notes a client offers its user again."""

    client_logging: bool = False
    """Whether clients write a log of what they send and receive, for support."""

    entries: dict[str, dict[str, str]] = Field(default_factory=dict)
    """More values for a group, by group and name, such as `[provisioning.entries.ServerConfiguration]` with
    `botSipUriForTestCall = "sip:test@example.com"`; one that is written here replaces ours of the same name."""

    expires_s: int = Field(default=28_800, ge=300, le=86_400)
    """Seconds that a subscription to changes holds when the client asks for nothing."""

    @field_validator("entries")
    @classmethod
    def _named(cls, entries: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name in (*entries, *(name for group in entries.values() for name in group)):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f'"{name[:80]}" is no name for a group or value; use letters, digits, ".", "-" and "_"'
                )
        return entries

    @model_validator(mode="after")
    def _ports(self) -> Self:
        low, high = self.media_port_lowest, self.media_port_highest
        if low == high == 0:
            return self
        if low < 1024 or high - low < 39:
            raise ValueError("media_port_lowest must be at least 1024, and media_port_highest 39 more; or both 0")
        return self
