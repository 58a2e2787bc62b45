"""Who is named on the lists of a board, found in one pass and kept with the board. Pure.

Nearly all who watch a user are named nowhere: what they see is decided by their relation to the enterprise, and by
their domain if a list names that. So one answer is enough for all of them; `audience` finds it.
"""

from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.workloads.presence.model.tables import (
    DEFAULT,
    PRIVATE_CONTAINERS,
    Container,
    ContainerMember,
    Delegates,
    MemberKind,
    Relation,
)

_NEVER_LOOKED_IN: Final = PRIVATE_CONTAINERS | {DEFAULT}

KIND_OF: Final[Mapping[Relation, MemberKind]] = {relation: relation.value for relation in Relation}
"""Relation → the kind of member that everybody with it is: quicker to look up than the value of an enumeration."""

NOWHERE: Final[tuple[int, ...]] = ()


class AccessLists:
    """The lists of a board by who is named on them.

    Attributes:
        lists: Member → the containers that name it, the highest first; without those that no watcher is looked for in.
        people: Everybody whom a list names, and the delegates.
        domains: The domains that a list names.
        audiences: (relation, domain if a list names it, else "") → the audience of all others, once `audience` has
            found it.
    """

    __slots__ = ("audiences", "domains", "lists", "people")

    def __init__(self, containers: Mapping[int, Container], delegates: Delegates) -> None:
        self.lists: dict[ContainerMember, tuple[int, ...]] = {}
        for id_ in sorted(containers.keys() - _NEVER_LOOKED_IN, reverse=True):
            for member in containers[id_].members:
                self.lists[member] = (*self.lists.get(member, NOWHERE), id_)
        people = {kept_aor(f"sip:{one.value}") for one in self.lists if one.kind is MemberKind.USER}
        self.people: frozenset[Aor] = frozenset(people.union(one.aor for one in delegates.members))
        self.domains = frozenset(one.value for one in self.lists if one.kind is MemberKind.DOMAIN)
        self.audiences: dict[tuple[Relation, str], tuple[int, ...]] = {}
