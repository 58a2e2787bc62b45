"""Several servers of one deployment, each a whole stage: one database, one directory, and a bus between them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.kit.deployment import Deployment
from tests.kit.stage import Stage


class Pool:
    """The servers of a play; `first, second = pool`. Time passes on all of them, whoever lets it pass.

    Attributes:
        deployment: What they have in common.
        hub: The bus between them; a play may make it bad.
        servers: All of them, in the order in which they were started.
    """

    def __init__(self, count: int = 2, **settings: Mapping[str, object]) -> None:
        """Start so many servers; each keyword is a section of everybody's settings. A # in `[pool] name` is the server's number."""
        self.deployment = Deployment()
        self.hub = self.deployment.hub
        self._settings = settings
        self.servers: list[Stage] = []
        for _ in range(count):
            self.joins()

    @classmethod
    @contextmanager
    def opened(cls, count: int = 2, **settings: Mapping[str, object]) -> "Iterator[Pool]":
        """Give servers for one play, and see to it that nothing complained at its end."""
        pool = cls(count, **settings)
        try:
            yield pool
        finally:
            for server in pool.servers:
                server.close()
        if pool.deployment.unexpected:
            raise AssertionError("\n".join(pool.deployment.unexpected))

    def __iter__(self) -> Iterator[Stage]:
        """Give the servers."""
        return iter(self.servers)

    def joins(self) -> Stage:
        """Start one more server."""
        settings = dict(self._settings)
        if "pool" in settings:
            name = str(settings["pool"].get("name", "")).replace("#", str(len(self.servers) + 1))
            settings["pool"] = {**settings["pool"], "name": name}
        self.servers.append(Stage(self.deployment, **settings))
        return self.servers[-1]

    def server_at(self, contact: str) -> Stage:
        """Give the server whose own name stands in the Contact of a 301."""
        return next(one for one in self.servers if f"<sip:{one.ground.places.address};transport=tls>" == contact)

    def settle(self) -> None:
        """Let happen what happens at once, everywhere."""
        self.deployment.clocks.settle()

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.servers[0].passes(seconds)

    def expect(self, *words: str) -> None:
        """Let complaints that contain any of these words be."""
        self.deployment.expected.extend(words)
