"""Changes of a directory in which somebody gets another address, leaves, or comes after somebody else."""

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import aor_of
from tests.kit.actors import Actor
from tests.kit.deployment import CAST, password_of
from tests.kit.stage import Stage


def removes(stage: Stage, *users: str) -> None:
    """Take people out of the directory."""
    removes_key(stage, *(f"key-{user}" for user in users))


def removes_key(stage: Stage, *keys: str) -> None:
    """Take entries out of the directory."""
    stage.directory.people = [one for one in stage.directory.people if one.key not in keys]


def renames(stage: Stage, user: str, other: str) -> None:
    """Give somebody another address; the key stays."""
    stage.changes(user, aor=aor_of(other if "@" in other else f"{other}@example.com"))


def swaps(stage: Stage, user: str, other: str) -> None:
    """Give two people the addresses of one another."""
    renames(stage, user, other)
    renames(stage, other, user)


def renames_domain(stage: Stage, domain: str = "example.org") -> str:
    """Give everybody an address of another domain, and the server that domain with its next start; give it."""
    stage.directory.people = [stage.someone(user, aor=aor_of(f"{user}@{domain}")) for user in CAST]
    stage.settings["sip"] = {**stage.settings["sip"], "domain": domain}
    return domain


def hires(stage: Stage, user: str, key: str = "another") -> None:
    """Add somebody else under an address."""
    newcomer: Person = stage.someone(user, key=key, display_name="The Other")
    stage.directory.people.append(newcomer)


def comes_as(stage: Stage, user: str, other: str) -> Actor:
    """Let somebody sign in under the address that they have now, with their password."""
    name, _, domain = other.partition("@")
    actor = stage.actor(name, password=password_of(user), **({"domain": domain} if domain else {}))
    actor.signs_in()
    return actor
