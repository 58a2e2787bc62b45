"""The documented form of what people have: contacts, groups, access levels, delegates and conferences, as JSON.

`lyncpy export` writes it, `lyncpy import` reads it, and what comes from a Lync server is turned into it. Whatever else
stands in such a file is refused; docs/people.schema.json describes it for other programs.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORM: Final = "lyncpy people 1"

FILE_BYTES: Final = 1 << 30
"""The largest file that is read: a hundred thousand people with ten thousand bytes each."""

Text = Annotated[str, Field(max_length=65_536)]
Address = Annotated[
    str, Field(min_length=3, max_length=512, description="As alice@example.com, or a number as tel:+1…")
]
Time = Annotated[float, Field(ge=0, le=2**40, description="Seconds since 1970, UTC")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class GroupData(_Part):
    """A group of a contact list."""

    id: int = Field(ge=1, le=1_000_000)
    """What contacts name it by; another server may give it another number."""

    name: Text
    """"~" is the group of those who are in no other."""

    external: Text = ""
    """What makes a distribution group of it, in the client's XML."""


class ContactData(_Part):
    """A contact."""

    address: Address
    name: Text = ""
    """As the user calls them; empty: as they call themselves."""

    groups: tuple[int, ...] = Field(default=(), max_length=1000, strict=False)
    subscribed: bool = True
    """Whether their presence is watched."""

    external: Text = ""
    extension: Text = ""
    """XML of the client's own."""


class MemberData(_Part):
    """Who is in an access level."""

    kind: Literal["user", "domain", "sameEnterprise", "federated", "publicCloud", "everyone"]
    value: Text = ""
    """The address or the domain; empty for the other kinds."""


class LevelData(_Part):
    """The members of an access level."""

    container: int = Field(ge=1, le=32_767 * 2)
    """100 external contacts, 200 colleagues, 300 workgroup, 400 friends and family, 32000 blocked."""

    members: tuple[MemberData, ...] = Field(max_length=10_000, strict=False)


class DelegateData(_Part):
    """Who may act for the user."""

    address: Address
    publish: bool = False
    redelegate: bool = False


class ConferenceData(_Part):
    """A conference that the user has scheduled."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    subject: Text = ""
    text: Text = ""
    expires: Time | None = None
    """Left out: as long as one of a client that names no end."""

    admission: Literal["closedAuthenticated", "openAuthenticated", "anonymous"] | None = None
    autopromote: int | None = Field(default=None, ge=0, le=2**32)
    """Who becomes a presenter by joining: 0 nobody, 32768 the company, 2147483648 everybody."""

    pstn_lobby_bypass: bool | None = None
    invited: Mapping[Address, Literal["attendee", "presenter"]] = Field(default_factory=dict)
    passcode: Text = ""
    notification_data: Text = ""
    static: bool = False
    link: Annotated[str, Field(max_length=512)] = ""
    """The address in its links, where the user has another one by now."""


class PersonData(_Part):
    """What one person has."""

    address: Address
    groups: tuple[GroupData, ...] = Field(default=(), max_length=1000, strict=False)
    contacts: tuple[ContactData, ...] = Field(default=(), max_length=100_000, strict=False)
    levels: tuple[LevelData, ...] = Field(default=(), max_length=1000, strict=False)
    delegates: tuple[DelegateData, ...] = Field(default=(), max_length=1000, strict=False)
    conferences: tuple[ConferenceData, ...] = Field(default=(), max_length=100_000, strict=False)


class PolicyData(_Part):
    """What is set of the policy of a person, a group or everybody: one of the three is named."""

    person: Annotated[str, Field(max_length=512)] = ""
    group: Text = ""
    """By its name."""

    everybody: bool = False
    values: dict[str, Any]  # Any: as a table of the settings has them


class PeopleDocument(_Part):
    """What people have, and the policies of the server."""

    form: Literal["lyncpy people 1"]
    made_at: Text = ""
    """RFC 3339, UTC."""

    people: tuple[PersonData, ...] = Field(max_length=1_000_000, strict=False)
    policies: dict[str, Any] = Field(default_factory=dict)  # Any: as the settings have them
    """The section [policies] of the settings; where it is another one here, `import` sets in the store what it says."""

    set_policies: tuple[PolicyData, ...] = Field(default=(), max_length=100_000, strict=False)
    """What operators have set in the shell, beside the settings."""


class DocumentUnusable(Exception):
    """A file is not of this form; the sentence says where."""


def read_document(data: bytes) -> PeopleDocument:
    """Read a document.

    Raises:
        DocumentUnusable: It is none, or something in it is wrong.
    """
    if len(data) > FILE_BYTES:
        raise DocumentUnusable(f"it is larger than {FILE_BYTES >> 20} MiB: import it in parts")
    try:
        return PeopleDocument.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "its beginning"
        raise DocumentUnusable(f"{where}: {first['msg']}") from None


def write_document(document: PeopleDocument) -> str:
    """Write a document; what is as it is without saying so is left out."""
    return json.dumps(document.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, indent=1) + "\n"


def schema() -> str:
    """Give the JSON schema of the form."""
    return json.dumps(PeopleDocument.model_json_schema(), indent=1) + "\n"
