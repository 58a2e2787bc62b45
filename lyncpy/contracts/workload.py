"""What a workload offers: routes, commands, provisions, a life."""

import enum
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

from zope.interface import Attribute, Interface

from lyncpy.contracts.answers import NOTHING, Form
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.http import HttpResource
from lyncpy.contracts.names import Aor
from lyncpy.contracts.nodes import IHomed
from lyncpy.sip.markup import Element
from lyncpy.sip.message import Response

T = TypeVar("T")


Operation = Callable[[Arrival, Element], Awaitable[Response]]
"""Answers one SOAP operation in SERVICE: the request, and the element that names the operation. May raise Refused."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a request reaches a workload: the most specific row wins.

    `answer` gives the one final response, or raises Refused; for an ACK it gives None.
    """

    method: str
    answer: Callable[[Arrival], Awaitable[Response | None]]
    event: str | None = None
    """Event header, without parameters, lower case."""

    content: str | None = None
    """Media type of the body, without parameters, lower case."""

    app: str | None = None
    """Start of `opaque=app:…` of the Request-URI, e.g. "app:conf:focusfactory"."""


class OperatorRole(enum.IntEnum):
    """The roles of operators; each may do what the one before may."""

    VIEWER = 1
    OPERATOR = 2
    DEVELOPER = 3


class CommandReach(enum.Enum):
    """Which servers of a deployment a command concerns."""

    HERE = enum.auto()
    """Any of them: it is about what all share, or about the operator's own session."""

    EVERYWHERE = enum.auto()
    """Each, which says or does it for itself."""

    WHERE_IT_IS = enum.auto()
    """Those that have what it names; of the others nothing is said, unless none has it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for an operator: printed aligned, or as JSON objects. A cell is text, a number, a truth, `Shown` or None."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    note: str = ""
    """A sentence below the table; in JSON the key "note"."""

    failed: str = ""
    """Why the command is no success though it has something to show: said on the error output, with status 1."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Numbers that the note tells, for programs, which are told of the number of rows besides."""


class OrderedWords(Sequence[str], Generic[T]):
    """Completions that are in order already and are written when they are looked at.

    Tab looks for where a fragment stands, instead of walking over everybody; nothing is copied.
    All are in lower case.

    Args:
        things: What can be completed, in the order of the names.
        written: Gives the text of one.
    """

    def __init__(self, things: Sequence[T], written: Callable[[T], str]) -> None:
        self._things = things
        self._written = written

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Give the value of an argument, or of several."""
        if isinstance(index, slice):
            return [self._written(thing) for thing in self._things[index]]
        return self._written(self._things[index])

    def __len__(self) -> int:
        """Count the arguments."""
        return len(self._things)

    def beginning(self, fragment: str) -> tuple[int, int]:
        """Give the positions of the first word with this prefix, and behind the last."""
        low = fragment.lower()
        return bisect_left(self, low), bisect_left(self, low + "\U0010ffff")


@dataclass(frozen=True, slots=True)
class Arg:
    """A positional argument of a command."""

    name: str
    help: str
    required: bool = True
    choices: Callable[[], Sequence[str]] | None = None
    """Completions, asked anew each time."""

    secret: bool = False
    """Its value is masked wherever the line is recorded."""

    after: str = ""
    """Words that have to stand before it, as "as seen by"; only for the arguments at the end that may be left out."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option: `--name`, or `--name VALUE` where it takes one."""

    name: str
    help: str
    takes: str = ""
    """The value's name in the help; "" for a switch."""

    secret: bool = False
    """As of an argument."""

    role: OperatorRole | None = None
    """Who may give it; None: whoever may give the command."""


def _nobody(progress: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One use of a command: its words as typed, and by whom."""

    args: Mapping[str, str]
    flags: Mapping[str, str]
    """Switches that were given map to "true"."""

    author: str = "console"
    alone: bool = True
    """Whether nobody but this server is asked; else it says what is its own."""
    said: str = ""
    """What was given as input, of a command that reads some."""

    key: str = ""
    """The same at every server that is asked, and new for each use: what they begin together gets its name of it."""

    tell: Callable[[str], None] = _nobody
    """Is told how far long work is; may be called as often as it goes on."""


class CommandFailed(Exception):
    """A command cannot do what was asked; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A word of the admin shell. Its declaration is its help."""

    name: str
    """One or more words: "presence show"."""

    help: str
    run: Callable[[CommandCall], Awaitable[Table]]
    """Raises CommandFailed."""

    args: tuple[Arg, ...] = ()
    flags: tuple[Flag, ...] = ()
    role: OperatorRole = OperatorRole.VIEWER
    reach: CommandReach = CommandReach.HERE
    reads: str = ""
    """What it reads from the input, in a few words; "": nothing."""

    patience_s: float = 0.0
    """Seconds that another server may take to answer; 0: as its role has it."""

    asks: str = ""
    """What a person at a prompt is asked for in place of the input, which is one line then, typed twice and unseen; "": nothing."""

    unread_with: tuple[str, ...] = ()
    """Flags with any of which it reads nothing."""

    form: Form = NOTHING
    """What it answers to programs; of a table of `FACTS` the facts."""

    finish: Callable[[Table, CommandCall], Awaitable[Table]] | None = None
    """Makes the answer of what all servers that were asked have given, once, where the operator is. Raises CommandFailed."""


@dataclass(frozen=True, slots=True)
class Provision:
    """One group of in-band provisioning ([MS-SIPREGE] 2.2.2)."""

    group: str
    """The group's name, e.g. "ServerConfiguration"; several offers of one group are joined in order."""

    write: Callable[[Aor], str]
    """Give the XML inside `<provisionGroup>` for this user, well-formed, with its namespaces."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding about a user for `why`, or about the server itself: what it concerns, what holds, what to do."""

    concern: str
    """"sign-in", "presence", "directory" …"""

    finding: str
    good: bool
    remedy: str = ""
    grave: bool = False
    """Of what is wrong with the server: whether it keeps it from its work."""

    key: str = ""
    """Which of the things that may be wrong with the same concern, whatever words it is told in; "": its words say that."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that a workload brings to the server; gathered by assembly."""

    name: str
    routes: tuple[Route, ...] = ()
    homed: tuple[IHomed, ...] = ()
    """Of what its routes answer, what has one home among the nodes."""

    operations: Mapping[str, Operation] = field(default_factory=dict)
    """SOAP operations that it answers, by name: "setContact"."""

    commands: tuple[ShellCommand, ...] = ()
    provisions: tuple[Provision, ...] = ()
    reasons: tuple[Callable[[Aor], Awaitable[Sequence[Reason]]], ...] = ()
    """Asked by `why USER`."""

    views: tuple[Callable[[Aor, Aor], Awaitable[Sequence[Reason]]], ...] = ()
    """Asked by `why USER as seen by WATCHER`, in the order of the story."""

    states: tuple[Callable[[], Sequence[tuple[str, object]]], ...] = ()
    """Rows of `status`: what, and its value."""

    resources: tuple[HttpResource, ...] = ()
    """What it answers over HTTP."""

    conditions: tuple[Callable[[], Sequence[Reason]], ...] = ()
    """What is wrong with the server itself, or soon will be, whoever asks; empty when all is well. They cost nothing."""


class Unfinished(Exception):
    """An orderly end has left something undone; the sentence says what."""


class IUnit(Interface):
    """Something with a life: opened in order, closed in reverse."""

    name: str = Attribute("Named in the log and in the reason for a failed start.")

    def open() -> Awaitable[None]:
        """Start the unit, which is ready when this returns; raise with a reason that an operator can act on."""

    def close() -> Awaitable[None]:
        """Stop the unit, which is gone when this returns; called once, also after a failed open.

        Raises:
            Unfinished: It is gone, and something is lost by that.
        """


class IWorkload(IUnit):
    """A package of the fourth floor."""

    offer: Offer = Attribute("What it brings; valid before open.")
