"""`lyncpy export` and `lyncpy import`: what people have, to a file and back; and from a Lync server."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from lyncpy.app.arguments import add_config
from lyncpy.app.config import Config, load
from lyncpy.app.home import keep
from lyncpy.app.lync_archive import ArchiveUnusable, is_archive, names, read_archive
from lyncpy.app.opened_store import CannotDo
from lyncpy.app.password_file import typed_address
from lyncpy.app.people_export import exported
from lyncpy.app.people_form import FILE_BYTES, DocumentUnusable, PeopleDocument, read_document, schema, write_document
from lyncpy.app.people_import import Bounds, Importer, Report
from lyncpy.app.people_policies import take_policies
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.store import IStore

Work = Callable[[IStore, IOwners, Sequence[Aor]], Awaitable[None]]
"""Works with a store, who is whose, and everybody's addresses."""

Run = Callable[[Config, Work], None]
"""Opens the store of a server, and runs what works with it."""

SHOWN_MOST: Final = 200
"""Sentences about what was not taken that are printed; --report has all of them."""


class CannotMove(CannotDo):
    """Nothing was exported or imported; the sentence says why."""


def declare(words: Any, run: Run, now: Callable[[], float]) -> None:  # Any: argparse has no public name for it
    """Add the commands to those of `lyncpy`.

    Args:
        words: Of the command line.
        run: As its own type says.
        now: The wall clock.
    """
    out = words.add_parser("export", help="write what people have (contacts, access levels, conferences) as JSON")
    out.add_argument("target", metavar="FILE", help='a new file; "-" is standard output')
    out.add_argument("addresses", nargs="*", metavar="ADDRESS", help="of these people alone")
    add_config(out, "SETTINGS")
    out.set_defaults(run=lambda options: _export(options, run, now()))
    into = words.add_parser(
        "import",
        help="take what people have from JSON, or from what a Lync server exported (Export-CsUserData, dbimpexp)",
    )
    into.add_argument(
        "source",
        type=Path,
        metavar="FILE",
        help="what `export` has written, or an archive of Export-CsUserData or dbimpexp",
    )
    add_config(into, "SETTINGS")
    into.add_argument("--dry-run", action="store_true", help="say what would be taken and what not, and write nothing")
    into.add_argument("--report", type=Path, metavar="REPORT", help="a new file with all that is not taken, and why")
    into.add_argument("--convert", type=Path, metavar="JSON", help="only write what a Lync server exported as JSON")
    into.set_defaults(run=lambda options: _import(options, run, now()))
    form = words.add_parser("export-schema", help="print the JSON schema of what `export` writes")
    form.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    sys.stdout.write(schema())
    return 0


def _export(options: argparse.Namespace, run: Run, now: float) -> int:
    config = load(options.config)
    wanted = [_typed(text) for text in options.addresses]
    made: list[PeopleDocument] = []
    policies = config.sections.policies.model_dump(mode="json", exclude_defaults=True)

    async def work(store: IStore, owners: IOwners, everybody: Sequence[Aor]) -> None:
        strangers = [bare(aor) for aor in wanted if not owners.owner(aor)]
        if strangers:
            raise CannotMove(f"nobody here has the address {', '.join(strangers)}")
        made.append(await exported(store, owners, wanted or everybody, policies, now))

    if options.target != "-" and Path(options.target).exists():
        raise CannotMove(f'"{options.target}" is there already: name another file')
    run(config, work)
    text = write_document(made[0])
    if options.target == "-":
        sys.stdout.write(text)
    else:
        keep(Path(options.target), text)
        sys.stdout.write(f"ok  what {len(made[0].people)} people have is in {options.target}\n")
    return 0


def _typed(text: str) -> Aor:
    aor = typed_address(text)
    if aor is None:
        raise CannotMove(f'"{text[:80]}" is no address; write it as alice@example.com')
    return aor


def _import(options: argparse.Namespace, run: Run, now: float) -> int:
    document, unknown, unusable = _read(options.source)
    if options.convert is not None:
        if options.convert.exists():
            raise CannotMove(f'"{options.convert}" is there already: name another file')
        keep(options.convert, write_document(document))
        sys.stdout.write(f"ok  what {len(document.people)} people had is in {options.convert}\n")
        _say(options, [*unusable], unknown)
        return 0
    config = load(options.config)
    present = config.sections.policies.model_dump(mode="json", exclude_defaults=True)
    reports: list[Report] = []

    async def work(store: IStore, owners: IOwners, everybody: Sequence[Aor]) -> None:
        importer = Importer(store, owners, Bounds.from_config(config), now, writes=not options.dry_run)
        reports.append(await importer.import_document(document))
        await take_policies(store, owners, document, present, importer.report, writes=not options.dry_run)

    run(config, work)
    report = reports[0]
    verb = "would be taken" if options.dry_run else "are taken"
    sys.stdout.write(
        f"ok  of {report.people} people {verb}: {report.contacts} contacts, {report.groups} groups, {report.members} members of"
        f" access levels, {report.delegates} delegates, {report.conferences} conferences, {report.policies} values of policies;"
        f" {report.known} were there already\n"
    )
    _say(options, [*unusable, *report.skipped], unknown, report.more)
    return 0 if report.people or report.policies else 1


def _read(source: Path) -> tuple[PeopleDocument, Sequence[str], Sequence[str]]:
    """Read a file of either kind; give what is in it, the names of what is not known, and what cannot be used."""
    if source.stat().st_size > FILE_BYTES:
        _refuse(source, f"it is larger than {FILE_BYTES >> 20} MiB")
    data = source.read_bytes()
    try:
        if is_archive(data):
            found = read_archive(data)
            return found.document(), [*names(found.unknown)], found.unusable
        return read_document(data), (), ()
    except (ArchiveUnusable, DocumentUnusable) as error:
        _refuse(source, str(error))


def _refuse(source: Path, why: str) -> NoReturn:
    raise CannotMove(f'"{source}" cannot be imported: {why}') from None


def _say(options: argparse.Namespace, skipped: Sequence[str], unknown: Sequence[str], more: int = 0) -> None:
    """Name what was not taken."""
    lines = [*(f"not taken: {one}" for one in skipped), *(f"not known: {one}" for one in unknown)]
    if options.report is not None:
        keep(options.report, "".join(f"{line}\n" for line in lines))
    shown = lines[:SHOWN_MOST]
    sys.stdout.writelines(f"    {line}\n" for line in shown)
    left = len(lines) - len(shown) + more
    if left:
        sys.stdout.write(f"    and {left} more; --report FILE has them\n")
