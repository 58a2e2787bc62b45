"""What each process of lyncpy reads before it does anything: read once, for all that are forked from it.

Importing it is all that it is for; `forks.py` does so.
"""

import gc
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key

import lyncpy
from lyncpy.wire import certificate

NAME_THE_REACTOR: Final = (
    "lyncpy.app.assembly",
    "lyncpy.app.commands",
    "lyncpy.app.tap",
    "lyncpy.workloads.admin.channel",
    "lyncpy.workloads.admin.local",
    "lyncpy.workloads.admin.manhole",
    "lyncpy.workloads.admin.service",
    "lyncpy.workloads.admin.ssh",
)
"""What imports, directly or not, those parts of Twisted's Conch that install a reactor.

A reactor must not be shared: what one process registers with epoll, another would hear.
"""

RUN_BY_OTHERS: Final = ("lyncpy.backends.sql.migrations", "lyncpy.media.program")
"""What only Alembic, or the system's Python, can import."""

BESIDES: Final = (
    "alembic.command",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "twisted.application.app",
    "twisted.conch.avatar",
    "twisted.conch.insults.insults",
    "twisted.conch.ssh.connection",
    "twisted.conch.ssh.keys",
    "twisted.conch.ssh.session",
    "twisted.conch.ssh.transport",
    "twisted.cred.checkers",
    "twisted.cred.strcred",
    "twisted.logger",
    "twisted.plugin",
    "twisted.scripts._twistd_unix",
    "twisted.scripts.twistd",
    "twisted.trial.itrial",
    "twisted.words.iwords",
)
"""What it reads of others, which no module of ours names at its top."""


def _ours(package: ModuleType) -> Iterator[str]:
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name.startswith((*NAME_THE_REACTOR, *RUN_BY_OTHERS)):
            continue
        yield found.name
        if found.ispkg:
            yield from _ours(importlib.import_module(found.name))


for name in (*_ours(lyncpy), *BESIDES):
    importlib.import_module(name)
# To prove that the numbers of a server's RSA key are primes takes as long as a sixth of its start; kits make good keys.
vars(certificate)["load_pem_private_key"] = partial(load_pem_private_key, unsafe_skip_rsa_key_validation=True)
# Else each process would soon look through all of it for garbage, and have copies of its own of all that it looks at.
gc.collect()
gc.freeze()
assert "twisted.internet.reactor" not in sys.modules, "a module that installs a reactor belongs in NAME_THE_REACTOR"
