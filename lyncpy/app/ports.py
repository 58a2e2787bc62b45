"""The ports that the settings name: whether this server can open each, and who has it already.

The system is asked, in the way in which a start asks it: which addresses have something in common depends on the machine.
"""

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lyncpy.app.config import Config
from lyncpy.app.database_lock import lock_file
from lyncpy.backends.processes import is_listened_at, listener_at, lock_holders, names_file, process
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.listening import ListeningPlace


def running_server(config: Config) -> int:
    """Give the number of the process that works with the database file of these settings; 0 where none does.

    Where they name another one by now, it is the one that works with any in the server's folder.
    """
    store = config.sections.store
    own = [lock_file(config.path(store.path))] if store.is_sqlite else []
    locks = [*own, *sorted(config.home.glob(lock_file(Path("*")).name))]
    return next((pid for lock in locks for pid in lock_holders(lock, "FLOCK")), 0)


def port_findings(config: Config) -> Iterator[Finding]:
    """Look at each port: it is free, or this very server runs and has it."""
    gateways = _of_gateways(config)
    places = (*config.places, *gateways)
    running = running_server(config)
    for number, place in enumerate(places):
        same = next((one for one in places[:number] if one.port == place.port and _overlap(one, place)), None)
        if same is None:
            found = _looked_at(place, running, config.file)
            # Without gateways all else goes on.
            yield replace(found, stops=False) if place in gateways else found
            continue
        sentence = (
            f"{place.setting} {place.port}: {same.setting} is the same, and one of them finds it taken; choose another"
        )
        yield Finding(good=False, sentence=sentence, stops=place not in gateways)


def _of_gateways(config: Config) -> tuple[ListeningPlace, ...]:
    """Give the port at which gateways are awaited; it is opened when all others are."""
    voice = config.sections.voice
    if not voice.gateways or not voice.gateway_port:
        return ()
    return (ListeningPlace("voice", "gateway_port", "gateway_address", voice.gateway_address, voice.gateway_port),)


def _looked_at(place: ListeningPlace, running: int, file: Path) -> Finding:
    try:
        _bound(place, place.port, shares=True).close()
    except OSError as error:
        holder = listener_at(place.port, running)
        may_be_own = error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EPERM) and is_listened_at(place.port)
        if may_be_own and (_is_own(holder, file) or (running and holder in (0, running))):
            sentence = f"{place.setting} {place.port} is open: {process(holder or running)}, this server, has it"
            return Finding(good=True, sentence=sentence)
        sentence = place.objection(error.errno, error.strerror, process(holder))
        return Finding(good=False, sentence=sentence, stops=True)
    return Finding(good=True, sentence=f"{place.setting} {place.port} is free")


def _is_own(holder: int, file: Path) -> bool:
    """Tell whether a process is this one, or was started with these settings: of a PostgreSQL database no lock here tells."""
    return holder == os.getpid() or (holder > 0 and names_file(holder, file))


def _bound(place: ListeningPlace, port: int, *, shares: bool = False) -> socket.socket:
    """Give a socket at the address of a place, as a start would have it, but not listening.

    Args:
        port: Instead of the place's own.
        shares: Whether it may be had while connections of one who had it before are ending, as a start has it.
    """
    for host in place.hosts:
        found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if shares:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
        except OSError as error:
            found.close()
            if not place.goes_on(host, error.errno):
                raise
        else:
            return found
    raise AssertionError("there is an address at least")


def _overlap(one: ListeningPlace, other: ListeningPlace) -> bool:
    """Tell whether two places cannot both be listened at: asked of the system, at a port that is free."""
    try:
        with _bound(one, 0) as first, _bound(other, first.getsockname()[1]):
            return False
    except OSError as error:
        # A name or an address that is not this machine's is told by itself.
        return error.errno == errno.EADDRINUSE
