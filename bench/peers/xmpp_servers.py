"""ejabberd and Prosody beside lyncpy: XMPP over TLS, accounts with SCRAM, rosters on their own disk.

Their configurations are written here, from their public documentation: what a message, a presence
and a sign-in need, and no more.
"""

import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.machine import free_port
from bench.peers.process import Missing, Running, needed, running
from bench.people import DOMAIN, PASSWORD, user

ITERATIONS: Final = 4_096

_EJABBERD: Final = """
hosts: ["{domain}"]
loglevel: error
certfiles: ["{folder}/all.pem"]
auth_method: internal
auth_password_format: scram
registration_timeout: infinity
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    tls: true
    access: all
    shaper: none
    backlog: 1000
access_rules:
  register: [{{allow: all}}]
modules:
  mod_register:
    access: register
    ip_access: all
    password_strength: 0
  mod_roster: {{}}
  mod_disco: {{}}
  mod_offline: {{}}
"""

_PROSODY: Final = """
daemonize = false
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
log = {{ error = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ {port} }}
c2s_require_encryption = true
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
authentication = "internal_hashed"
storage = "internal"
allow_registration = true
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "offline", "register_ibr", "ping", "posix" }}
modules_disabled = {{ "s2s" }}
ssl = {{ key = "{certificates}/server.key", certificate = "{certificates}/server.pem" }}
VirtualHost "{domain}"
"""


@contextmanager
def ejabberd(folder: Path, certificates: Path, people: int) -> Iterator[Running]:
    """Run it, in an Erlang machine that does not spin while it waits, and talks to no other.

    Raises:
        Missing: It is not installed.
    """
    needed("ejabberdctl", "ejabberd")
    program = needed("erl", "ejabberd")
    libraries = next((str(one.parent) for one in Path("/usr/lib").glob("*/ejabberd-*")), None)
    if libraries is None:
        raise Missing("ejabberd is not installed: apt-get install ejabberd")
    folder.mkdir()
    port = free_port()
    everything = "".join((certificates / name).read_text("ascii") for name in ("server.key", "server.pem"))
    (folder / "all.pem").write_text(everything, encoding="ascii")
    configuration = folder / "ejabberd.yml"
    configuration.write_text(_EJABBERD.format(domain=DOMAIN, folder=folder, port=port), encoding="utf-8")
    # Its own processor time would be counted while it only looks whether there is something to do.
    calm = ("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
    words = [program, "+K", "true", "+P", "250000", *calm, "-noinput", "-noshell", "-start_epmd", "false"]
    environment = {
        "HOME": str(folder),
        "ERL_LIBS": libraries,
        "ERL_CRASH_DUMP_BYTES": "0",
        "EJABBERD_CONFIG_PATH": str(configuration),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "SPOOL_DIR": str(folder),
        # It keeps descriptions of its state folder there otherwise.
        "CONTRIB_MODULES_PATH": str(folder / "modules"),
    }
    spool = f'"{folder / "mnesia"}"'
    command = [*words, "-mnesia", "dir", spool, "-s", "ejabberd"]
    with running(command, folder, port, certificates / "ca.pem", environment) as server:
        yield server


@contextmanager
def prosody(folder: Path, certificates: Path, people: int) -> Iterator[Running]:
    """Run it, with so many people; it would take a tenth of a second for each that registers.

    Raises:
        Missing: It is not installed.
    """
    program = needed("prosody", "prosody")
    folder.mkdir()
    _accounts(folder / "data" / quote(DOMAIN, safe="").replace(".", "%2e") / "accounts", people)
    for name in ("server.key", "server.pem"):
        shutil.copy(certificates / name, folder / name)
    port = free_port()
    configuration = folder / "prosody.cfg.lua"
    text = _PROSODY.format(domain=DOMAIN, folder=folder, certificates=folder, port=port)
    if os.getuid() != 0:
        text = text.replace("run_as_root = true\n", "")
    configuration.write_text(text, encoding="utf-8")
    words = [program, "--config", str(configuration), "-F"]
    with running(words, folder, port, certificates / "ca.pem") as server:
        yield server


def _accounts(folder: Path, people: int) -> None:
    """Write accounts as its own storage has them: what SCRAM-SHA-1 needs, hashed once because all have one password."""
    folder.mkdir(parents=True)
    salt = "as everybody's"
    salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), ITERATIONS)
    stored = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1"), usedforsecurity=False).hexdigest()
    server = hmac.digest(salted, b"Server Key", "sha1").hex()
    text = (
        f'return {{ ["salt"] = "{salt}"; ["iteration_count"] = {ITERATIONS}; ["stored_key"] = "{stored}"; '
        f'["server_key"] = "{server}"; }};\n'
    )
    for number in range(people):
        (folder / f"{user(number)}.dat").write_text(text, encoding="ascii")
