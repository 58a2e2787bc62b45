"""What the server publishes for a user: what the directory knows of him, at each access level.

The more somebody is trusted, the more phones he sees. Spec: the table of contact card
instances and of access levels in the enhanced presence documentation.
"""

from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.workloads.presence.model.board import ServerPublication
from lyncpy.workloads.presence.model.tables import COLLEAGUES, DEFAULT, EXTERNAL, FRIENDS, SELF, WORKGROUP, InstanceKey
from lyncpy.workloads.presence.model.values import write_contact_card, write_user_properties

_FACTS: Final = frozenset({"company", "department", "title", "office"})

LEVELS: Final[Mapping[int, tuple[frozenset[str], frozenset[str]]]] = {
    DEFAULT: (frozenset(), frozenset()),
    EXTERNAL: (frozenset({"company", "title"}), frozenset()),
    COLLEAGUES: (_FACTS, frozenset({"work"})),
    WORKGROUP: (_FACTS, frozenset({"work", "mobile"})),
    FRIENDS: (_FACTS, frozenset({"work", "mobile", "home", "other"})),
}
"""Container → facts and kinds of phones on its contact card; name and mail are on every one."""


def made_for(person: Person | None) -> tuple[ServerPublication, ...]:
    """Give what the server publishes for somebody; nothing for who is not known."""
    if person is None:
        return ()
    cards = (
        ServerPublication(InstanceKey("contactCard", 0, container), write_contact_card(person, facts, phones))
        for container, (facts, phones) in LEVELS.items()
    )
    return (*cards, ServerPublication(InstanceKey("userProperties", 0, SELF), write_user_properties(person)))
