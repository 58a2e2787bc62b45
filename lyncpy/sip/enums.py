"""Enumerations whose members are keys of tables on the way of every message."""

import enum


class IdentityEnum(enum.Enum):
    """An enumeration whose members are hashed by what they are, as they are compared.

    `enum.Enum` hashes the name of a member, in Python, at each look into a table.
    """

    __hash__ = object.__hash__
