"""The words of the admin shell that change people: `user add`, `set`, `remove`, `disable`, `enable`, `passwd`, `import`."""

from collections.abc import Callable
from functools import partial
from typing import Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.passwords import PASSWORD_LONGEST, generated, is_usable
from lyncpy.contracts.person_form import ADDRESS, LISTS, PHONE_KINDS, PHONES, TRUTHS, FieldUnusable, typed
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, OperatorRole, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.sip.text import one_line
from lyncpy.workloads.directory.model.people_list import FORMS, ListUnusable, read_list
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.user_changes import NewPerson, UserChanges, filled
from lyncpy.workloads.directory.user_import import GENERATE, UserImport

AT_ONCE: Final = 50
"""People who are added together, between which a pull may have its turn."""

REASON_LONGEST: Final = 200

_WORDS: Final = {
    "name": ("display_name", "the name that others see"),
    "given-name": ("given_name", "the given name"),
    "surname": ("surname", "the surname"),
    "mail": ("mail", "the mail address"),
    "title": ("title", "the title"),
    "company": ("company", "the company"),
    "department": ("department", "the department"),
    "office": ("office", "the office"),
    "manager": ("manager", "the address of whom they report to"),
    "line": ("line", "the line on which calls reach them, as tel:+14255550100"),
    "private-line": ("private_line", "a second line, of which nobody is told"),
    "telephony": ("telephony", "how they are called: none, uc, rcc or dual"),
    "logins": ("logins", "what they may sign in with beside the address; several with ; between them"),
    "other-mails": ("other_mails", "further mail addresses; several with ; between them"),
    "until": ("until", "the last day, or the time, until which they may sign in: 2026-12-31"),
    "hidden": ("hidden", "whether nobody finds them by searching: yes or no"),
    "contact": ("contact", "whether they are only there to be found, and have no account here: yes or no"),
    "must-change-password": ("must_change_password", "whether they may not sign in before that: yes or no"),
}
"""Flags, the names that these have in a people file, and their help."""

_TAKES: Final = {**dict.fromkeys(TRUTHS, "YES|NO"), **dict.fromkeys(LISTS, "TEXTS"), "until": "WHEN"}
_PHONE: Final = "-phone"


def _about() -> tuple[Flag, ...]:
    """Give the flags that say who somebody is."""
    said = (Flag(name, text, takes=_TAKES.get(key, "TEXT")) for name, (key, text) in _WORDS.items())
    phones = (Flag(f"{kind}{_PHONE}", f"a phone number: {kind}", takes="NUMBER") for kind in PHONE_KINDS)
    return (*said, *phones)


class UserCommands:
    """Changes people for operators.

    Args:
        changes: What can be done.
        people: Everybody.
        asks_directory: Says whether the directory is asked about a person's password.
    """

    def __init__(self, changes: UserChanges, people: People, asks_directory: Callable[[Person], bool]) -> None:
        self._changes = changes
        self._people = people
        self._asks_directory = asks_directory

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands."""
        command = partial(ShellCommand, role=OperatorRole.OPERATOR)
        user = Arg("user", "an address or a login", choices=lambda: addresses(self._people))
        makes = Flag(GENERATE, "make a password, and show it this once")
        return (
            command(
                "user add",
                "Add a person who is kept in the store, beside those of the directory.",
                self.add,
                args=(Arg("address", "their address, as alice@example.com"),),
                flags=(*_about(), makes),
                form=form(facts="address key password?"),
            ),
            command(
                "user set",
                "Change a person who is kept in the store; an empty text removes what is known.",
                self.set,
                args=(user,),
                flags=(Flag("address", "another address; all that is theirs goes along", takes="ADDRESS"), *_about()),
                form=form(facts="address changed*"),
            ),
            command(
                "user remove",
                "Remove a person who is kept in the store; what is theirs is held back, as of who left the directory.",
                self.remove,
                args=(user,),
                form=form(facts="removed key"),
            ),
            *self._about_anybody(command, user, makes),
        )

    def _about_anybody(self, command: Callable[..., ShellCommand], user: Arg, makes: Flag) -> tuple[ShellCommand, ...]:
        """Give those that are not for people of the store alone, and `user import`."""
        return (
            command(
                "user disable",
                "Sign a person out and let them in no more, whatever the directory says.",
                self.disable,
                args=(user,),
                flags=(Flag("reason", "why, for other operators", takes="TEXT"),),
                form=form(facts="address disabled:truth switched_off_by?"),
            ),
            command(
                "user enable",
                "Let a person in again whom `user disable` has disabled.",
                self.enable,
                args=(user,),
                form=form(facts="address enabled:truth switched_off_by?"),
            ),
            command(
                "user passwd",
                "Set the password of a person, which is kept here; what was proven with the former ends.",
                self.passwd,
                args=(user,),
                flags=(makes, Flag("force", "even where the directory is asked about passwords")),
                reads="a password, in one line,",
                asks="New password",
                unread_with=(GENERATE,),
                form=form(facts="address password?"),
            ),
            command(
                "user import",
                "Add many people who are kept in the store, of a list in CSV, TOML or JSON.",
                self.import_list,
                flags=(
                    Flag("dry-run", "say what would be done, and do nothing"),
                    Flag("update", "change those who are kept here already to what the list says"),
                    Flag("format", "what the list is, where it cannot be seen", takes="|".join(FORMS)),
                    Flag(
                        GENERATE, "make a password for each new person of whom the list has none, and show it this once"
                    ),
                ),
                reads="a list of people",
                form=form("where user? result detail password?", counts="added changed unchanged refused"),
            ),
        )

    async def add(self, asked: CommandCall) -> Table:
        """Add one person."""
        table = filled({ADDRESS: asked.args["address"].strip(), **_said(asked)})
        if objection := self._changes.objection(table):
            raise CommandFailed(f"nobody was added: {objection}")
        await self._check_room(1)
        password = generated() if GENERATE in asked.flags else ""
        (found,) = await self._changes.add([NewPerson(table, password=password)], asked.author)
        if isinstance(found, str):
            raise CommandFailed(f"nobody was added: {found}")
        rows = [("address", bare(found.aor)), ("key", found.key), ("password", password or None)]
        note = "" if password else f"they have no password yet: user passwd {bare(found.aor)}"
        return Table(FACTS, [row for row in rows if row[1]], note=note)

    async def _check_room(self, count: int) -> None:
        room = await self._changes.room()
        if count > room:
            raise CommandFailed(
                f"nobody was added: {count} more people are too many, the store may have {room} more ([directory] kept_people)"
            )

    async def set(self, asked: CommandCall) -> Table:
        """Change one person."""
        person = self._person(asked)
        wanted = _said(asked)
        if ADDRESS in asked.flags:
            wanted[ADDRESS] = asked.flags[ADDRESS].strip()
        if not wanted:
            raise CommandFailed(f"say what is to be changed: user set {bare(person.aor)} --name TEXT …")
        differs = await self._changes.change(person, wanted)
        now = bare(aor_of(str(wanted.get(ADDRESS, person.aor))))
        note = "" if differs else "all of that is known already"
        return Table(FACTS, [("address", now), *(("changed", name) for name in differs)], note=note)

    async def remove(self, asked: CommandCall) -> Table:
        """Remove one person."""
        person = self._person(asked)
        await self._changes.remove(person)
        note = "what is theirs waits: `directory held`; `directory restore` gives it to them under another key"
        return Table(FACTS, [("removed", bare(person.aor)), ("key", person.key)], note=note)

    async def disable(self, asked: CommandCall) -> Table:
        """Disable one person, whoever has them."""
        person = self._person(asked)
        await self._changes.disable(person, asked.author, one_line(asked.flags.get("reason", ""))[:REASON_LONGEST])
        now = self._people.person(person.aor) or person
        note = "they are signed out, and stay so until `user enable`"
        if not person.is_kept_here:
            note += ", whatever the directory says of them"
        rows = [("address", bare(now.aor)), ("disabled", not now.enabled), ("switched off by", now.barred)]
        return Table(FACTS, rows, note=note)

    async def enable(self, asked: CommandCall) -> Table:
        """Enable one person."""
        person = self._person(asked)
        await self._changes.enable(person)
        now = self._people.person(person.aor) or person
        rows = [("address", bare(now.aor)), ("enabled", now.enabled), ("switched off by", now.barred or None)]
        failed = "" if now.enabled else f"they may not sign in even so; `why {bare(now.aor)}` says why not"
        return Table(FACTS, [row for row in rows if row[1] is not None], note=failed)

    async def passwd(self, asked: CommandCall) -> Table:
        """Set a password: the line that was given, or a new one."""
        person = self._person(asked)
        who = bare(person.aor)
        if self._asks_directory(person) and "force" not in asked.flags:
            raise CommandFailed(
                f"nothing was changed: {who} has their password in the directory, which is asked about it ([directory]"
                " passwords); change it there, or set another one beside it with --force"
            )
        is_made = GENERATE in asked.flags
        password = generated() if is_made else asked.said.removesuffix("\n").removesuffix("\r")
        if not is_usable(password) or "\n" in password:
            raise CommandFailed(f"nothing was changed: a password is one line of 1 to {PASSWORD_LONGEST} characters")
        await self._changes.set_password(person, password)
        rows: list[tuple[object, ...]] = [("address", who), *([("password", password)] if is_made else [])]
        return Table(FACTS, rows, note="the password is set; what was signed in with the former is signed out")

    async def import_list(self, asked: CommandCall) -> Table:
        """Add everybody of a list."""
        form_ = asked.flags.get("format", "")
        if form_ and form_ not in FORMS:
            raise CommandFailed(f'--format is {" or ".join(FORMS)}, not "{form_[:80]}"')
        try:
            listed = read_list(asked.said, form_)
        except ListUnusable as error:
            raise CommandFailed(f"nobody was added: {error}") from None
        intake = UserImport(self._changes, self._people, asked)
        await self._check_room(intake.count_new(listed))
        for start in range(0, len(listed), AT_ONCE):
            await intake.add_people(listed[start : start + AT_ONCE])
            asked.tell(f"{min(start + AT_ONCE, len(listed))} of {len(listed)} are done")
        return intake.table()

    def _person(self, asked: CommandCall) -> Person:
        return person_named(self._people, asked.args["user"])


def _said(asked: CommandCall) -> dict[str, object]:
    """Give what the flags say of somebody, by the names of a people file; an empty value for what is to be forgotten.

    Raises:
        CommandFailed: A value is none for its name.
    """
    phones = {kind: asked.flags[f"{kind}{_PHONE}"] for kind in PHONE_KINDS if f"{kind}{_PHONE}" in asked.flags}
    given = {key: asked.flags[flag] for flag, (key, _) in _WORDS.items() if flag in asked.flags}
    try:
        found: dict[str, object] = {key: typed(key, text) if text else "" for key, text in given.items()}
    except FieldUnusable as error:
        raise CommandFailed(f"nothing was changed: {error}") from None
    return {**found, PHONES: phones} if phones else found
