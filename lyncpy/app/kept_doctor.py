"""What `lyncpy doctor user` finds in the database: a password, an account, a disabling, policies. No secret is shown."""

import json
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lyncpy.app.backends import Backends
from lyncpy.app.config import Config, ConfigError
from lyncpy.app.opened_store import known_people, with_backends
from lyncpy.app.store_check import store_findings
from lyncpy.backends.ldap_examination import is_meant
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.upgrades import schema_of
from lyncpy.contracts.directory import Person
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.refusal import StoreUnavailable, WorldUnavailable
from lyncpy.core.unit import UnitFailed
from lyncpy.sip.text import shown
from lyncpy.workloads.directory.accounts import disabling_of
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.secrets import StoredSecrets
from lyncpy.workloads.directory.stored_policies import EVERYBODY, StoredPolicies, of_person, subject_of


def kept_story(config: Config, wanted: str) -> Generator[Finding, None, bool]:
    """Read what is kept of a person, by their address or login; a server may run meanwhile.

    Returns: Whether an operator has added them, so that no directory need have them.
    """
    objection = _objection(config)
    if objection is not None:
        yield objection
        return False
    found: list[Finding] = []
    added: list[Person] = []

    async def look(back: Backends) -> None:
        people = await known_people(back)
        person = next((one for one in people.everybody() if is_meant(one, wanted)), None)
        if person is None:
            sentence = (
                f"the last pull brought nobody of the address or login {shown(wanted)}: nothing that is kept is theirs"
            )
            found.append(Finding(good=True, sentence=sentence))
            return
        added.extend([person] if person.is_kept_here else [])
        sentences = [
            await _password(back, people, person),
            *await _account(back, people, person),
            *await _policies(back, people, person),
        ]
        found.extend(Finding(good=True, sentence=f"{bare(person.aor)}: {sentence}") for sentence in sentences)

    try:
        with_backends(config, look)
    except (ConfigError, WorldUnavailable, UnitFailed) as error:
        found = [Finding(good=False, sentence=f"what is kept of them cannot be read: {error}")]
    yield from found
    return bool(added)


def kept_addresses(config: Config) -> Collection[Aor]:
    """Give the addresses of all whom the database knows, of a pull or added by operators; none where it cannot be read."""
    known: set[Aor] = set()

    async def look(back: Backends) -> None:
        known.update(one.aor for one in (await known_people(back)).everybody())

    if _objection(config) is None:
        # What is wrong with the database, or with a setting, is said where that is looked at.
        with suppress(ConfigError, WorldUnavailable, UnitFailed):
            with_backends(config, look)
    return known


async def _password(back: Backends, people: People, person: Person) -> str:
    secrets = StoredSecrets(back.store, people, back.bus, back.seals, people.owners)
    if person.aor in await secrets.kept():
        return "a password is kept here, for sign-in by NTLM and at the site"
    return "no password is kept here; `user passwd` sets one"


async def _account(back: Backends, people: People, person: Person) -> Sequence[str]:
    said = ["they were added in the shell (`user add`)"] if person.is_kept_here else []
    disabling = await disabling_of(back.store, people.owners.owner(person.aor))
    return (
        said if disabling is None else [*said, f"they may not sign in: {disabling.words}; `user enable` lets them in"]
    )


async def _policies(back: Backends, people: People, person: Person) -> Sequence[str]:
    """Say what operators have set; whose groups count, a running server knows."""
    policies = StoredPolicies(back.store, lambda: None)
    await policies.open()
    own, all_ = policies.set_for(of_person(people.owners.owner(person.aor))), policies.set_for(EVERYBODY)
    groups = sum(subject_of(key).group is not None for key in policies.everything())
    said = [f"policies that are set for them: {_written(own)}"] if own else ["no policy is set for them in the shell"]
    said += [f"policies that are set for everybody: {_written(all_)}"] if all_ else []
    if groups:
        said.append(
            f"policies are set for {groups} groups; `policy explain` of a running server says which of them count"
        )
    return said


def _written(values: Mapping[str, Any]) -> str:  # Any: what the fields of a policy have
    return ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in sorted(values.items()))


def _objection(config: Config) -> Finding | None:
    """Say why the database is not opened: to open it would make it, or bring it up to date."""
    store = config.sections.store
    if store.is_sqlite and not config.path(store.path).exists():
        return Finding(good=True, sentence="nothing is kept of anybody yet: the first start makes the database")
    bad = next((one for one in store_findings(config) if not one.good), None)
    if bad is not None:
        return Finding(good=False, sentence=f"what is kept of them was not read: {bad.sentence}")
    try:
        schema = place_of(store, config.home).read(schema_of)
    except StoreUnavailable as error:
        return Finding(good=False, sentence=f"what is kept of them was not read: {error}")
    if schema.current == schema.newest or schema.is_newer:
        return None
    sentence = "what is kept of them was not read: the database is of an earlier release, and the next start brings it up to date"
    return Finding(good=True, sentence=sentence)
