"""The section [presence]."""

from pydantic import BaseModel, ConfigDict, Field

from lyncpy.workloads.presence.model import Quotas


class Settings(BaseModel):
    """What may be published, how much of it, and how long others may watch."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    categories: tuple[str, ...] = Field(default=(), strict=False)
    """Names of categories that clients may publish beside those that Lync knows."""

    publications_per_user: int = Field(default=400, ge=50, le=10_000)
    """Publications that one user may have at a time, over all containers and devices; one more is refused with 413."""

    publication_bytes: int = Field(default=65536, ge=4096, le=1_048_576)
    """The longest publication in bytes; a longer one is refused with 413."""

    containers_per_user: int = Field(default=64, ge=8, le=1000)
    """Containers that one user may have; one more is refused with 413."""

    members_per_container: int = Field(default=1000, ge=10, le=10_000)
    """People and domains that one container may list; one more is refused with 413."""

    expires_s: int = Field(default=28800, ge=300, le=86400)
    """Seconds that a subscription holds when the client asks for nothing; each is varied by up to a sixth, so that refreshes never come in a wave."""

    expires_minimum_s: int = Field(default=1200, ge=60, le=86400)
    """The shortest subscription that is granted, in seconds; who asks for less is refused with 423."""

    expires_maximum_s: int = Field(default=43200, ge=300, le=604800)
    """The longest subscription that is granted, in seconds; who asks for more gets this."""

    resources_per_subscription: int = Field(default=1000, ge=10, le=10_000)
    """People that one device may watch; more are refused with 413."""

    watchings_total: int = Field(default=1_000_000, ge=100, le=10_000_000)
    """Pairs of a watching device and a watched person in the whole process; beyond it new ones are refused with 503."""

    boards_in_memory: int = Field(default=20_000, ge=100, le=1_000_000)
    """Users whose presence is kept in memory; beyond it those who are signed out are read from the store when asked for."""

    gather_ms: int = Field(default=50, ge=0, le=1000)
    """Milliseconds that changes of one user are gathered before watchers are told, so that a burst becomes one notification."""

    def quotas(self) -> Quotas:
        """Give the bounds of one board."""
        return Quotas(
            self.publications_per_user, self.publication_bytes, self.containers_per_user, self.members_per_container
        )
