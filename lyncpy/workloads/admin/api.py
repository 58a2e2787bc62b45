"""The shell over HTTPS: `/api/WORDS/OF/A/COMMAND`, with an operator's token.

The words of the path are the command's name; its arguments and flags come by their names, in the query of a GET or as
the JSON object of a POST. The answer is the command's document, as `--json` gives it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from twisted.internet.defer import Deferred

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpResource
from lyncpy.contracts.workload import OperatorRole, ShellCommand
from lyncpy.workloads.admin.parser import JSON, LIMIT, Vocabulary, everywhere, usage
from lyncpy.workloads.admin.render import error_json
from lyncpy.workloads.admin.shell import Author, Outcome, Reply, RunningLine, Shell
from lyncpy.workloads.admin.token_door import TokenDoor, TokenRefused
from lyncpy.workloads.admin.tokens import TokenHolder
from lyncpy.workloads.admin.words import joined

PATH: Final = "/api/"
INPUT: Final = "input"
"""The name of what a command reads from the input."""

STATUSES: Final[Mapping[Outcome, int]] = {
    Outcome.OK: 200,
    Outcome.MISUSED: 400,
    Outcome.FORBIDDEN: 403,
    Outcome.FAILED: 422,
    Outcome.UNAVAILABLE: 503,
    Outcome.STOPPED: 504,
    Outcome.TOO_LONG: 413,
    Outcome.UNRECORDED: 503,
    Outcome.INTERNAL: 500,
}
_KINDS: Final[Mapping[int, Outcome]] = {
    **dict.fromkeys((401, 403, 429), Outcome.FORBIDDEN),
    500: Outcome.INTERNAL,
    503: Outcome.UNAVAILABLE,
}
"""What is wrong, by a status that no command has given; all others are for what is asked wrongly."""

_CHALLENGE: Final = ("WWW-Authenticate", 'Bearer realm="lyncpy operators"')


class Api:
    """Runs commands for holders of tokens.

    Args:
        shell: Runs lines.
        words: Gives the commands that there are.
        door: Lets holders of tokens in.
    """

    def __init__(
        self,
        shell: Shell,
        words: Callable[[], Vocabulary],
        door: TokenDoor,
    ) -> None:
        self._shell = shell
        self._words = words
        self._door = door

    def resources(self) -> tuple[HttpResource, ...]:
        """Give what is answered over HTTP."""
        # Without the slash at its end it is the same.
        return tuple(
            HttpResource(path, self.answer, methods=("GET", "POST"), refusal=refused) for path in (PATH, PATH[:-1])
        )

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Answer one request."""
        command = _command_in(asked.path)
        try:
            holder = await self._admitted(asked)
            line, said = self._line(asked, command)
        except TokenRefused as no:
            return _no(command, no.status, no.kind, str(no), no.headers)
        author = Author(f"token {holder.name}", asked.peer, holder.role, "token")
        reply = await _reply_of(self._shell.run_line(line, author, None, said))
        why = "" if reply.outcome is Outcome.OK else reply.outcome.value
        return _json(STATUSES[reply.outcome], reply.out, why)

    async def _admitted(self, asked: HttpAsked) -> TokenHolder:
        """Give who asks.

        Raises:
            Refusal: 401 without a token that is good, 429 after too many such from there, 503 when none can be looked up.
        """
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        self._door.check_wait(asked.peer)
        if scheme.lower() != "bearer":
            raise TokenRefused(
                401, "forbidden", "show an operator's token: Authorization: Bearer NAME.SECRET", _CHALLENGE
            )
        found = await self._door.holder(token, asked.peer)
        if found is None:
            raise TokenRefused(401, "forbidden", "nobody has this token", _CHALLENGE)
        return found

    def _line(self, asked: HttpAsked, name: str) -> tuple[str, str | None]:
        """Write the line that is asked for, and give its input.

        Raises:
            Refusal: There is no such command, or it cannot be asked for so.
        """
        words = self._words()
        command = words.longest_command(name.split() or ["help"])
        if command is None or command.name != (name or "help"):
            raise TokenRefused(404, "misused", f'there is no command "{name[:80]}"; GET {PATH}help lists all')
        if asked.method == "GET" and command.role > OperatorRole.VIEWER:
            raise TokenRefused(405, "misused", f"`{command.name}` is asked for with POST", ("Allow", "POST"))
        given = _given(asked)
        said = given.pop(INPUT, None) if command.reads else None
        return joined(_words_of(command, given)), said


def refused(path: str, status: int, sentence: str) -> HttpAnswer:
    """Write what is refused before a command is looked for as all other answers are written."""
    return _no(_command_in(path), status, _KINDS.get(status, Outcome.MISUSED).value, sentence)


def _command_in(path: str) -> str:
    return " ".join(path[len(PATH) :].strip("/").lower().split("/"))


def _given(asked: HttpAsked) -> dict[str, str]:
    """Read arguments and flags.

    Raises:
        Refusal: The body is no JSON object of texts, numbers and truths.
    """
    if asked.method == "GET":
        return dict(asked.query)
    try:
        found = json.loads(asked.body or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str | int | float | bool) for one in found.values()):
        raise TokenRefused(400, "misused", "the body has to be a JSON object of names and their values")
    # A flag that is false is one that is not given.
    return {name: _text(value) for name, value in found.items() if value is not False}


def _text(value: object) -> str:
    return "true" if value is True else str(value)


def _words_of(command: ShellCommand, given: dict[str, str]) -> Iterator[str]:
    """Give the words of a line.

    Raises:
        Refusal: 400, something is given that the command does not take.
    """
    own = (*command.flags, *(one for one in everywhere(command) if one.name == LIMIT.name))
    flags = {flag.name: flag for flag in own}
    names = {arg.name for arg in command.args}
    strange = [name for name in given if name not in flags and name not in names and name != JSON.name]
    if strange:
        raise TokenRefused(400, "misused", f'`{command.name}` takes no "{strange[0][:80]}"; use: {usage(command)}')
    yield from command.name.split()
    yield f"--{JSON.name}"
    for name, flag in flags.items():
        if name in given:
            yield f"--{name}={given[name]}" if flag.takes else f"--{name}"
    yield "--"
    for arg in command.args:
        if arg.name in given:
            yield from arg.after.split()
            yield given[arg.name]


async def _reply_of(running: RunningLine) -> Reply:
    """Wait for the answer; who waits no more leaves the command to its end."""
    waiting: Deferred[Reply] = Deferred()

    def pass_on(reply: Reply) -> Reply:
        if not waiting.called:
            waiting.callback(reply)
        return reply

    _ = running.reply.addBoth(pass_on)
    return await waiting


def _no(command: str, status: int, kind: str, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    return _json(status, error_json(command, kind, sentence), kind, headers)


def _json(status: int, document: str, why: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    return HttpAnswer(status, "application/json; charset=utf-8", document.encode(), headers=headers, refused=why)
