"""What an actor knows from the documents that it got: its own data, its contacts, and others as they look to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kit.hall import tree

Key = tuple[str, int, int]
"""Category, instance, container."""

WORDS: Final = (
    (3000, "unknown"),
    (6000, "available"),
    (9000, "busy"),
    (12_000, "do not disturb"),
    (15_000, "be right back"),
    (18_000, "away"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody as they look to a watcher."""

    number: int | None = None
    """The availability; None: nothing was ever said about it."""

    note: str = ""
    activity: str = ""
    name: str = ""
    title: str = ""
    phones: tuple[str, ...] = ()

    @property
    def availability(self) -> str:
        """Give the availability in words."""
        if self.number is None:
            return "never heard of"
        return next((word for bound, word in WORDS if self.number < bound), "offline")


class Others:
    """Other people: the newest of each category of each."""

    def __init__(self) -> None:
        """Know nobody."""
        self._categories: dict[str, dict[str, list[Any]]] = {}
        self.told: list[tuple[str, frozenset[str]]] = []
        """(address, categories) of each document, in order."""

    def take(self, document: Any) -> None:  # Any: lxml's tree
        """Apply a `categories` document; what it names replaces what was known of it."""
        aor = document.get("uri")
        known = self._categories.setdefault(aor, {})
        named: dict[str, list[Any]] = {}
        for category in document.findall("category"):
            named.setdefault(category.get("name"), []).append(category)
        known.update(named)
        self.told.append((aor, frozenset(named)))

    def about(self, aor: str) -> Seen:
        """Give how somebody looks now."""
        known = self._categories.get(aor, {})
        cards = known.get("contactCard", [])
        phones = [phone.text or "" for card in cards for phone in card.findall(".//phone/displayString")]
        states = [state for one in known.get("state", []) for state in one.findall("state")]
        activity = [one.get("token") or "" for state in states for one in state.findall("activity")]
        return Seen(
            number=int(states[-1].findtext("availability")) if states else None,
            note=_first(known.get("note", []), "note/body"),
            activity=activity[0] if activity else "",
            name=_first(cards, ".//displayName"),
            title=_first(cards, ".//title"),
            phones=tuple(phones),
        )


class OwnData:
    """A user's own board as their client keeps it: versions to publish with, containers, the user's own state."""

    def __init__(self) -> None:
        """Know nothing, so publish with version 0."""
        self.versions: dict[Key, int] = {}
        self.values: dict[Key, Any] = {}
        self.containers: dict[int, tuple[int, frozenset[str]]] = {}
        self.subscribers: list[str] = []
        """About whom it was asked, as often as it was."""

        self.settled: list[str] = []
        """About whom it need not ask any more."""

        self.delegates: tuple[int, frozenset[str]] = (0, frozenset())
        self.documents = 0

    def take(self, document: Any) -> None:  # Any: lxml's tree
        """Apply a `roamingData` document: each category that it names is whole."""
        self.documents += 1
        for one in document.findall("categories/category"):
            for key in [key for key in self.versions if key[0] == one.get("name")]:
                del self.versions[key]
                self.values.pop(key, None)
        for one in document.findall("categories/category"):
            if one.get("instance") is not None:
                key = (one.get("name"), int(one.get("instance")), int(one.get("container")))
                self.versions[key] = int(one.get("version"))
                self.values[key] = one
        for container in document.findall("containers/container"):
            members = frozenset(member.get("value") or member.get("type") for member in container.findall("member"))
            self.containers[int(container.get("id"))] = (int(container.get("version")), members)
        for one in document.findall("subscribers/subscriber"):
            (self.settled if one.get("acknowledged") == "true" else self.subscribers).append(one.get("user"))
        for listed in document.findall("delegates"):
            self.delegates = (int(listed.get("version")), frozenset(one.get("uri") for one in listed))

    def take_fault(self, body: bytes, keys: Iterable[Key]) -> None:
        """Learn the current versions from the fault of a 409 to a publication of these keys."""
        published = list(keys)
        for operation in tree(body).findall("details/operation"):
            self.versions[published[int(operation.get("index")) - 1]] = int(operation.get("curVersion"))

    def number(self, container: int = 2) -> int | None:
        """Give the availability that the server made of all states."""
        found = self.values.get(("state", 1, container))
        return None if found is None else int(found.findtext("state/availability"))

    def note(self, container: int = 400) -> str:
        """Give the own note."""
        return "".join(_first([one], "note/body") for key, one in self.values.items() if key == ("note", 0, container))

    def devices(self) -> int:
        """Give how many devices there are."""
        return len({key[1] for key in self.versions if key[0] == "device"})


@dataclass
class ContactBook:
    """The contact list as a client keeps it; insists on numbers without gaps.

    Attributes:
        number: Of the last list or delta.
        people: Address → name and group ids.
        groups: Id → name.
        outside: Id → what else the group is, elsewhere.
        history: The numbers of all documents, in order.
    """

    number: int = 0
    people: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    outside: dict[int, str] = field(default_factory=dict)
    history: list[int] = field(default_factory=list)

    def take(self, document: Any) -> None:  # Any: lxml's tree
        """Apply a whole list, or a delta that follows what is known."""
        if document.tag == "contactList":
            self.people, self.groups = {}, {}
        elif int(document.get("prevDeltaNum")) != self.number:
            raise AssertionError(f"a delta after {document.get('prevDeltaNum')} came when {self.number} was known")
        self.number = int(document.get("deltaNum"))
        self.history.append(self.number)
        for group in document.iter("group", "addedGroup", "modifiedGroup"):
            self.groups[int(group.get("id"))] = group.get("name")
            self.outside[int(group.get("id"))] = group.get("externalURI")
        for one in document.iter("contact", "addedContact", "modifiedContact"):
            uri = one.get("uri")
            aor = uri if uri.startswith("sip:") else f"sip:{uri}"
            self.people[aor] = (one.get("name"), tuple(map(int, one.get("groups").split())))
        for group in document.iter("deletedGroup"):
            del self.groups[int(group.get("id"))]
        for one in document.iter("deletedContact"):
            del self.people[one.get("uri")]

    def group(self, name: str) -> int:
        """Give a group's id."""
        return next(id_ for id_, known in self.groups.items() if known == name)


def _first(found: Iterable[Any], path: str) -> str:  # Any: lxml's elements
    return next((text for one in found if (text := one.findtext(path))), "")
