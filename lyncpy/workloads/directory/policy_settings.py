"""The section [policies]."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lyncpy.contracts.clients import client_rule
from lyncpy.workloads.directory.settings import texts

Prompted = Annotated[int, Field(ge=0, le=500)]
Size = Annotated[int, Field(ge=2, le=1000)]


def _are_rules(rules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(client_rule(rule).text for rule in rules)


Clients = Annotated[tuple[str, ...], Field(max_length=100), BeforeValidator(texts), AfterValidator(_are_rules)]


class NamedPolicy(BaseModel):
    """One table [policies.NAME]: whom it is for, and what differs from the defaults."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    members: Annotated[tuple[str, ...], BeforeValidator(texts)]
    privacy_mode: bool | None = None
    prompted_subscribers: Prompted | None = None
    archive_internal: bool | None = None
    archive_external: bool | None = None
    meeting_size: Size | None = None
    anonymous_participants: bool | None = None
    clients: Clients | None = None


class PoliciesSettings(BaseModel):
    """What users may: for everybody, and where a table [policies.NAME] differs, for its members; the first that names a user is theirs."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", use_attribute_docstrings=True)

    EXAMPLE: ClassVar[Sequence[str]] = (
        "Who differs: users by address, groups of the directory by name, address or DN; who is in a group within such a group counts.",
        "[policies.board]",
        'members = ["chair@example.com", "Board of Directors"]',
        "privacy_mode = true",
    )
    """Shown below the settings in etc/lyncpy.toml."""

    privacy_mode: bool = False
    """Whether only a user's contacts see them; everybody else sees them offline."""

    prompted_subscribers: Prompted = 200
    """Watchers of whom a user has not been told yet that are kept for them, so that their client says who added them; 0: they are never told."""

    archive_internal: bool = False
    """Whether a user's instant messages with people of this server are archived."""

    archive_external: bool = False
    """Whether a user's instant messages with others are archived."""

    meeting_size: Size = 250
    """Participants that may be in a meeting at once, by its organizer's policy."""

    anonymous_participants: bool = True
    """Whether guests without an account may join a meeting, by its organizer's policy."""

    clients: Clients = ()
    """Which clients may sign in, by their User-Agent; the first rule that fits decides, and who fits none may, e.g. ["block OC < 4.0.7577 https://example.com/update", "allow UCCAPI", "allow Sipe", "block *"]. With "allow", the link is only shown."""

    __pydantic_extra__: dict[str, NamedPolicy] = Field(init=False)

    @property
    def named(self) -> Mapping[str, NamedPolicy]:
        """The tables [policies.NAME], in their order."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _default_is_here(self) -> Self:
        if "default" in self.named:
            raise ValueError("the defaults stand in [policies] itself; a table [policies.default] is not needed")
        return self
