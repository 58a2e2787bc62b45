"""Photos of people: where they are read, and who shows them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zope.interface import Interface

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """What a directory has of somebody's photo."""

    data: bytes = field(default=b"", repr=False)
    """The picture; empty when there is none that fits."""

    objection: str = ""
    """Why there is one that does not fit, for an operator."""


class IPhotoSource(Interface):
    """Where photos of people are."""

    def read(people: Sequence[Person], fits: Callable[[bytes], str]) -> Awaitable[tuple[FoundPhoto | None, ...]]:
        """Read photos: one for each in their order, or fewer when the directory is lost on the way; None: theirs cannot be read now.

        A directory that could not be read is left alone for a while, and the operator is told: what is asked meanwhile fails.

        Args:
            people: Whose.
            fits: Says what is wrong with a picture, or ""; called in a thread.

        Raises:
            DirectoryUnavailable: With a sentence for an operator.
        """

    def close() -> Awaitable[None]:
        """Let go of connections; a reading under way fails."""


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What is told of a photo before it is fetched."""

    digest: str
    """MD5 in hexadecimal, by which clients know whether they have it."""

    size: int
    """Bytes."""


class IPhotos(Interface):
    """Photos of the people who may be found: JPEG pictures of bounded size."""

    def facts(people: Sequence[Person]) -> Awaitable[Mapping[Aor, PhotoFacts]]:
        """Give what is known of the photos of these people; who has none is not in it.

        Waits a moment for what has to be read. What is not there by then is left out, as is all when the directory
        cannot be read: a search goes on without photos.
        """

    def photo(aor: Aor, digest: str) -> Awaitable[bytes | None]:
        """Give the photo of somebody, if it is still the one with this digest; None also for who may not be found."""
