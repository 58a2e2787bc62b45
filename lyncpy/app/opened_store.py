"""The store opened by a command, beside a server that may run with it."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from lyncpy.app.backends import Backends, backends, node_name
from lyncpy.app.config import Config, ConfigError
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.core.timers import Timers, host_clock, steady
from lyncpy.core.unit import UnitFailed, UnitGroup
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.records import DirectoryRecords


class CannotDo(Exception):
    """What was asked cannot be done; the sentence says why."""


def with_backends(config: Config, do: Callable[[Backends], Awaitable[None]]) -> None:
    """Open the store, run an action and close the store; a server may run at the same time. Once in a process.

    Raises:
        CannotDo: As the action raises it.
        ConfigError: A setting cannot be used that is looked at only here, as the forms of a directory.
        WorldUnavailable, UnitFailed: The store cannot be opened.
    """
    problems: list[Exception] = []

    async def work(reactor: Any) -> None:  # Any: a reactor is several interfaces at once
        steady(reactor)
        timers = Timers(reactor, host_clock)
        try:
            back = backends(config, node_name(), timers, reactor)
            house = UnitGroup(back.units, reactor)
            try:
                await house.open()
                await do(back)
            finally:
                await house.close()
        except (CannotDo, ConfigError, WorldUnavailable, UnitFailed) as error:
            problems.append(error)

    try:
        task.react(lambda reactor: Deferred.fromCoroutine(work(reactor)))
    except SystemExit as end:
        if end.code:
            raise
    if problems:
        raise problems[0]


async def known_people(back: Backends) -> People:
    """Know everybody, as the last pull left them."""
    people = People()
    for person, owner in await DirectoryRecords(back.store, back.seals).people(settle=False):
        people.owners.put_owner(owner)
        if not owner.is_held:
            people.put_person(person)
    return people
