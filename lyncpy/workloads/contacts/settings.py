"""The section [contacts]."""

from pydantic import BaseModel, ConfigDict, Field

from lyncpy.contracts.setting_forms import Texts
from lyncpy.workloads.contacts.model import ListLimits


class Settings(BaseModel):
    """How large a contact list may grow, what the directory puts into it, and how long a subscription to it holds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    contacts_per_user: int = Field(default=1000, ge=1, le=10_000)
    """Contacts that one user may keep; one more is refused in words that the client shows. Who is there by the directory does not count."""

    groups_per_user: int = Field(default=64, ge=1, le=64)
    """Groups that one user may keep, "Other Contacts" included: 64 are the ids 1 (that one) to 64. Groups of the directory take ids from 63 downwards and are left out where none is free."""

    department_group: bool = False
    """Whether every user's list has a group of the people of their own department."""

    directory_groups: Texts = ()
    """Groups of the directory that are contact groups of each of their members: names, addresses or DNs, * and ? are wildcards, e.g. ["Project *"]."""

    directory_groups_for_all: Texts = ()
    """Groups of the directory that are contact groups of everybody, likewise, e.g. ["Help Desk"]."""

    generated_groups: int = Field(default=10, ge=0, le=63)
    """Contact groups that the directory puts into one list at most: the department's, then those for all, then the user's own, by name."""

    generated_members: int = Field(default=250, ge=1, le=1000)
    """People in such a group at most; a larger one is left out, because a client watches everybody in its list."""

    extension_bytes: int = Field(default=4096, ge=0, le=65_536)
    """Bytes that a client may keep with one contact for its own use."""

    list_bytes: int = Field(default=1_048_576, ge=65_536, le=67_108_864)
    """Bytes of all names, addresses and extensions in one user's list; what makes it longer is refused with 413. All of it goes to each of the user's devices."""

    expires_s: int = Field(default=28_800, ge=300, le=86_400)
    """Seconds that a subscription to the contact list holds when the client asks for nothing."""

    expires_minimum_s: int = Field(default=1200, ge=300, le=86_400)
    """The shortest subscription in seconds; who asks for less is told to ask for this."""

    expires_maximum_s: int = Field(default=43_200, ge=300, le=86_400)
    """The longest subscription that is granted, in seconds; who asks for more gets this."""

    def limits(self) -> ListLimits:
        """Give the bounds of one list."""
        return ListLimits(
            contacts=self.contacts_per_user,
            groups=self.groups_per_user,
            extension_bytes=self.extension_bytes,
            list_bytes=self.list_bytes,
        )
