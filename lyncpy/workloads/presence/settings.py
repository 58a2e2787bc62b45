"""The section [presence]."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lyncpy.workloads.presence.model.quotas import Quotas


class Settings(BaseModel):
    """The bounds of what is published, and of how long it is watched."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    categories: tuple[str, ...] = Field(default=(), strict=False)
    """Names of categories that clients may publish beside those that Lync knows."""

    publications_per_user: int = Field(default=400, ge=50, le=10_000)
    """Publications that one user may have at a time, over all containers and devices; one more is refused with 413."""

    publication_bytes: int = Field(default=65536, ge=4096, le=1_048_576)
    """The longest publication in bytes; a longer one is refused with 413."""

    board_bytes: int = Field(default=262_144, ge=65_536, le=16_777_216)
    """Bytes of all publications that one user may have together; more are refused with 413. All of them may go to each watcher.
    What is kept for the blocked, who go on seeing what was there, has the room that is left."""

    containers_per_user: int = Field(default=64, ge=8, le=1000)
    """Containers that one user may have; one more is refused with 413."""

    members_per_container: int = Field(default=1000, ge=10, le=10_000)
    """People and domains that one container may list; one more is refused with 413."""

    members_per_user: int = Field(default=4000, ge=10, le=100_000)
    """People and domains in all containers of one user together; one more is refused with 413."""

    delegates_per_user: int = Field(default=25, ge=0, le=1000)
    """People who may act for one user; one more is refused with 413."""

    subscribers_remembered: int = Field(default=1000, ge=0, le=100_000)
    """Watchers of one user about whom they were asked whether to add them; of more, the oldest is asked about again."""

    prompts_per_watcher: int = Field(default=2_000, ge=10, le=1_000_000)
    """Such questions that wait because of one watcher; what is beyond it is noted when they sign in next."""

    prompts_waiting: int = Field(default=10_000, ge=100, le=1_000_000)
    """Watchers in the whole process who wait to be noted for those questions; what is beyond it is noted when they sign in next."""

    public_domains: tuple[str, ...] = Field(default=(), strict=False)
    """Domains of public messaging services; their users see what `publicCloud` may see, those of all other foreign domains what `federated` may."""

    expires_s: int = Field(default=28800, ge=300, le=86400)
    """Seconds that a subscription holds when the client asks for nothing; each is varied by up to a sixth, so that refreshes never come in a wave."""

    expires_minimum_s: int = Field(default=1200, ge=60, le=86400)
    """The shortest subscription that is granted, in seconds; who asks for less is refused with 423."""

    expires_maximum_s: int = Field(default=43200, ge=300, le=604800)
    """The longest subscription that is granted, in seconds; who asks for more gets this. What is granted is up to a sixth less than was asked for, so that these refreshes come in no wave either."""

    resources_per_subscription: int = Field(default=1000, ge=10, le=10_000)
    """People that one device may watch; more are refused with 413."""

    watchings_total: int = Field(default=1_000_000, ge=100, le=10_000_000)
    """Pairs of a watching device and a watched person in the whole process; beyond it new ones are refused with 503."""

    watchings_per_user: int = Field(default=20_000, ge=100, le=10_000_000)
    """Such pairs of all devices of one watcher; beyond it new ones are refused with 413, for that watcher alone."""

    watchings_per_device: int = Field(default=5_000, ge=10, le=10_000_000)
    """Such pairs of one device, in all its subscriptions; beyond it new ones are refused with 413, for that device alone."""

    answer_bytes: int = Field(default=1_048_576, ge=65_536, le=16_777_216)
    """Bytes of presence in the answer to one subscription to many people; of those beyond it the device is told in notifications that follow as fast as it reads."""

    views_bytes: int = Field(default=67_108_864, ge=1_048_576, le=4_294_967_296)
    """Bytes of documents that are kept written for the next watcher who sees the same; of more, the oldest are written anew when asked for."""

    boards_in_memory: int = Field(default=20_000, ge=100, le=1_000_000)
    """Users whose presence is kept in memory; beyond it those who are signed out are read from the store when asked for, or when they are watched and change at another server."""

    gather_ms: int = Field(default=50, ge=0, le=1000)
    """Milliseconds that changes of one user are gathered before watchers are told, so that a burst becomes one notification."""

    publications_per_minute: int = Field(default=60, ge=6, le=1_000_000)
    """Changes a minute that one device may publish in the long run; more are accepted, but gathered for `limited_gather_ms`. Requests of any kind are refused beyond `requests_per_s` of [limits]."""

    publications_burst: int = Field(default=60, ge=10, le=1_000_000)
    """Changes that one device may publish at once before `publications_per_minute` counts."""

    limited_gather_ms: int = Field(default=5000, ge=100, le=60_000)
    """Milliseconds that changes are gathered when their device publishes too many of them; `presence top` in the shell names it."""

    web_readers: tuple[Literal["anonymous", "signed-in", "named"], ...] = Field(default=(), strict=False)
    """Who may read presence over HTTPS (see [web]): anybody at the level of everyone, users with their password, programs with a token; empty: nobody."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.expires_minimum_s <= self.expires_s <= self.expires_maximum_s:
            raise ValueError("expires_s must lie between expires_minimum_s and expires_maximum_s")
        return self

    def quotas(self) -> Quotas:
        """Give the bounds of one board."""
        return Quotas(
            publications=self.publications_per_user,
            value_bytes=self.publication_bytes,
            containers=self.containers_per_user,
            members=self.members_per_container,
            delegates=self.delegates_per_user,
            subscribers=self.subscribers_remembered,
            board_bytes=self.board_bytes,
            members_in_all=self.members_per_user,
        )
