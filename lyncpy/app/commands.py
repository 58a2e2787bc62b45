"""The commands of the console: make a home, look at it, keep passwords, verify the archive; and all others."""

import argparse
import datetime
import getpass
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from lyncpy.app import (
    backends,
    backup_command,
    ctl_command,
    dns_command,
    doctor,
    downgrade_command,
    home,
    people_command,
    probe_command,
    store_command,
)
from lyncpy.app.arguments import add_config, add_file, carried_out, console
from lyncpy.app.backup import CannotBackUp
from lyncpy.app.check import findings
from lyncpy.app.config import Config, ConfigError, explained, load
from lyncpy.app.findings import tell
from lyncpy.app.greeting import greeting
from lyncpy.app.opened_store import CannotDo, known_people, with_backends
from lyncpy.app.password_file import PasswordFileUnusable, read_passwords, typed_address
from lyncpy.app.people_command import CannotMove
from lyncpy.app.store_watch import note_backup
from lyncpy.auth.ntlm import nt_hash
from lyncpy.backends.sealing import write_key
from lyncpy.contracts.directory import ISecrets
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.passwords import PASSWORD_LONGEST
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.core.timers import host_clock
from lyncpy.core.unit import UnitFailed
from lyncpy.workloads.archive.auditor import Auditor, AuditResult
from lyncpy.workloads.archive.commands import wrong
from lyncpy.workloads.archive.model import ChainPoint, point_of
from lyncpy.workloads.directory.secrets import AddressLeft, StoredSecrets

PROGRESS_ENTRIES = 50_000
"""Entries of the archive between two lines that say how far its verification is."""

SAID: Final = (
    CannotDo,
    CannotBackUp,
    CannotMove,
    ConfigError,
    PasswordFileUnusable,
    WorldUnavailable,
    UnitFailed,
)
"""What a command raises to say in a sentence why it failed."""


def main(argv: Sequence[str]) -> int:
    """Run one command; give the exit status."""
    return carried_out(command_line(), argv, *SAID)


def command_line() -> argparse.ArgumentParser:
    """Give the commands and what they take; the documentation shows their help."""
    parser = console()
    words = parser.add_subparsers(required=True, metavar="COMMAND")
    init = words.add_parser("init", help="make a folder that a server can start from")
    init.add_argument("home", type=Path, metavar="DIR", help="the folder; what is there already stays")
    init.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="a setting that is written to the new file",
    )
    init.add_argument("--demo", action="store_true", help="add demo people with passwords, if there are no people yet")
    init.set_defaults(run=_init)
    check = words.add_parser("check", help="look at a configuration and all that it names")
    add_file(check)
    check.set_defaults(run=_check)
    for one in (ctl_command, dns_command, doctor, store_command, downgrade_command):
        one.declare(words)
    probe_command.declare(words, host_clock)
    backup_command.declare(words, _note_backup, host_clock)
    people_command.declare(words, _with_people, host_clock)
    settings = words.add_parser("settings", help="print every setting with its sentence and default")
    settings.set_defaults(run=_settings)
    user = words.add_parser("user", help="passwords of people").add_subparsers(required=True, metavar="WHAT")
    for word, run, text in (
        ("passwd", _passwd, "set a password: asked for twice, or one line of standard input; or many, from a file"),
        ("forget", _forget, "remove a password that was set here; the directory's own hash, if any, counts again"),
        ("list", _list, "who has a password that was set here"),
    ):
        command = user.add_parser(word, help=text)
        if word == "forget":
            command.add_argument("address", help="as alice@example.com")
        elif word == "passwd":
            command.add_argument("address", nargs="?", default="", help="as alice@example.com")
            command.add_argument(
                "--file", default="", help='an address, a space and a password on each line; "-" is standard input'
            )
            command.add_argument(
                "--force", action="store_true", help="even where the directory is asked about passwords"
            )
        add_config(command)
        command.set_defaults(run=run)
    archive = words.add_parser("archive", help="what was said, where it is kept").add_subparsers(
        required=True, metavar="WHAT"
    )
    verify = archive.add_parser("verify", help="find what was removed or altered; the server may run meanwhile")
    verify.add_argument(
        "--from",
        dest="since",
        metavar="SERIAL:DIGEST",
        help="verify only what is behind this entry, which must still be the same",
    )
    add_config(verify)
    verify.set_defaults(run=_verify)
    return parser


def _init(options: argparse.Namespace) -> int:
    folder: Path = options.home
    home.open_folder(folder)
    file = home.write_config(folder, options.set)
    config = load(file, options.set)
    home.write_certificates(folder, config)
    key = config.path(config.sections.store.key_file)
    if not key.exists():
        write_key(key)
    home.write_admin_key(folder, config.path(config.sections.admin.authorized_keys))
    if options.demo:
        home.write_demo_people(folder, config, lambda accounts: with_secrets(config, partial(_keep_all, accounts)))
    home.write_empty_people(config)
    for path in home.secret_files(config):
        if home.close_to_others(path):
            sys.stdout.write(f"others could read {path}; now they cannot\n")
    sys.stdout.writelines(f"{line}\n" for line in greeting(config, on_terminal=sys.stdout.isatty()))
    return 0


async def _keep_all(accounts: home.Accounts, secrets: ISecrets) -> None:
    for address, password in accounts.values():
        await secrets.set_hash(aor_of(address), nt_hash(password))


def _check(options: argparse.Namespace) -> int:
    config = load(options.file, options.set)
    return tell(findings(config, datetime.datetime.fromtimestamp(host_clock(), datetime.UTC)))


def _settings(options: argparse.Namespace) -> int:
    sys.stdout.writelines(f"{line}\n" for line in explained())
    return 0


def _passwd(options: argparse.Namespace) -> int:
    config = load(options.config)
    asked = [one.url for one in config.directories if one.binds]
    if bool(options.address) == bool(options.file):
        raise CannotDo("name an address, or many with --file")
    if asked and not options.force:
        raise CannotDo(
            f"people have their passwords in {' and '.join(asked)}, which is asked about them ([directory] passwords): change"
            " them there, or set others beside those with --force; nothing has changed"
        )
    wanted = read_passwords(options.file) if options.file else _one_password(_address(options.address))

    async def work(secrets: StoredSecrets) -> None:
        for aor, password in wanted.items():
            await secrets.set_hash(aor, nt_hash(password))

    untold = with_secrets(config, work)
    whose = f"the password of {bare(next(iter(wanted)))} is" if options.address else f"{len(wanted)} passwords are"
    sys.stdout.write(f"{whose} set\n")
    _say_untold(untold)
    return 0


def _one_password(aor: Aor) -> Mapping[Aor, str]:
    return {aor: _ask_password(bare(aor))}


def _forget(options: argparse.Namespace) -> int:
    aor = _address(options.address)
    untold = with_secrets(load(options.config), lambda secrets: secrets.set_hash(aor, None))
    sys.stdout.write(f"{bare(aor)} has no password of this server any more\n")
    _say_untold(untold)
    return 0


def _say_untold(untold: int) -> None:
    if untold:
        sys.stderr.write(
            "lyncpy: running servers were not told, for no NATS server ([bus] url) took it: whoever is signed in with an"
            " old password stays so until they sign in anew; do it once more when `lyncpy check` finds the NATS server\n"
        )


def _list(options: argparse.Namespace) -> int:
    found: list[str] = []

    async def look(secrets: StoredSecrets) -> None:
        found.extend(bare(aor) for aor in await secrets.kept())

    with_secrets(load(options.config), look)
    sys.stdout.writelines(f"{address}\n" for address in sorted(found))
    return 0


def _verify(options: argparse.Namespace) -> int:
    try:
        since = point_of(options.since) if options.since else None
    except ValueError:
        raise CannotDo(
            f'--from "{options.since[:80]}": write it as SERIAL:DIGEST, as `archive status` shows it'
        ) from None
    verdicts: list[AuditResult] = []
    reached = 0

    def progress(point: ChainPoint, end: int) -> None:
        nonlocal reached
        if point.serial - reached >= PROGRESS_ENTRIES:
            reached = point.serial
            # Whoever interrupts this can go on here: --from takes the same words.
            sys.stderr.write(f"{point.serial} of {end} are whole; last {point}\n")

    async def work(back: backends.Backends) -> None:
        verdicts.append(await Auditor(back.ledger, back.stamps).verify(since, progress))

    with_backends(load(options.config), work)
    verdict = verdicts[0]
    if verdict.broken is not None:
        sys.stdout.write(f"BAD {wrong(verdict)}\n")
        return 1
    sys.stdout.write(f"ok  {verdict.checked} entries are whole; the last is {verdict.until}\n")
    sys.stdout.writelines(f"    {remark}\n" for remark in verdict.remarks)
    return 0


def _address(text: str) -> Aor:
    aor = typed_address(text)
    if aor is None:
        raise CannotDo(f'"{text[:80]}" is no address; write it as alice@example.com')
    return aor


def _ask_password(who: str) -> str:
    if sys.stdin.isatty():
        password = getpass.getpass(f"New password of {who}: ")
        if getpass.getpass("Once more: ") != password:
            raise CannotDo("the two are not the same; nothing has changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password or len(password) > PASSWORD_LONGEST:
        raise CannotDo(f"a password has 1 to {PASSWORD_LONGEST} characters; nothing has changed")
    return password


def with_secrets(config: Config, do: Callable[[StoredSecrets], Awaitable[None]]) -> int:
    """Run an action on the stored passwords; a running server sees its result at once.

    Returns: How much of it the bus did not take, so that running servers end nobody's sign-in.
    """
    untold: list[int] = []

    async def work(back: backends.Backends) -> None:
        people = await known_people(back)
        try:
            await do(StoredSecrets(back.store, people, back.bus, back.seals, people.owners))
        except AddressLeft as error:
            raise CannotDo(str(error)) from None
        untold.append(back.untold())

    with_backends(config, work)
    return sum(untold)


def _with_people(config: Config, work: people_command.Work) -> None:
    """Open the store, and work with what people have."""

    async def opened(back: backends.Backends) -> None:
        people = await known_people(back)
        await work(back.store, people.owners, [one.aor for one in people.everybody()])

    with_backends(config, opened)


def _note_backup(config: Config, at: float) -> None:
    with_backends(config, lambda back: note_backup(back.store, at))
