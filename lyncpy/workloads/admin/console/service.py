"""The console over HTTP: who may look, and which page is asked for."""

import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import OperatorRole
from lyncpy.core.slices import Slices
from lyncpy.workloads.admin.console import pages
from lyncpy.workloads.admin.console.gathered import DAY, HOUR, PAGES_MOST, Gathering
from lyncpy.workloads.admin.console.pages import ENTER, PATH, SIGN_IN, Frame
from lyncpy.workloads.admin.console.tickets import ConsoleTicket, ConsoleTickets, NoPlace
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import Author
from lyncpy.workloads.admin.token_door import TokenDoor, TokenRefused

COOKIE: Final = "__Host-lyncpy-console"
"""Of this host alone, without a folder, by TLS alone: browsers see to that by its first letters."""

_COOKIE: Final = re.compile(rf"(?:^|[;,]) ?{COOKIE}=([A-Za-z0-9_-]{{43}})(?=$|[;,])")
_FORM_FIELDS: Final = 4
_SEARCHED: Final = 200
NOTED_MOST: Final = 100
CHARTS_AT_ONCE: Final = 3
"""Drawn in one turn: a millisecond."""

Record = Callable[[str, Author, str], Awaitable[str]]
"""Writes down what an operator did: what, who, and how it ended."""


class Console:
    """Answers below /console/.

    Args:
        tickets: Who may look.
        door: Lets holders of tokens in.
        gathering: What there is to see.
        record: Writes down who came and went.
        settings: The section [admin].
        organisation: Whose server it is, as text.
        timers: The clock.
    """

    def __init__(
        self,
        tickets: ConsoleTickets,
        door: TokenDoor,
        gathering: Gathering,
        record: Record,
        settings: Settings,
        organisation: str,
        timers: ITimers,
    ) -> None:
        self._tickets = tickets
        self._door = door
        self._gathering = gathering
        self._record = record
        self._settings = settings
        self._organisation = organisation
        self._timers = timers
        self._noted: dict[str, float] = {}
        """Holders of certificates who came, and when that was written down."""

        self._pages = {
            "": self._overview,
            "people": self._people,
            "conferences": self._conferences,
            "refusals": self._refusals,
        }

    def resources(self) -> tuple[HttpResource, ...]:
        """Give what is answered over HTTP; nothing, when the console is off."""
        if not self._settings.console:
            return ()
        both = ("GET", "POST")
        return (HttpResource(PATH.rstrip("/"), self._to_first), HttpResource(PATH, self.answer, methods=both))

    async def _to_first(self, asked: HttpAsked) -> HttpAnswer:
        return _to(PATH)

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Answer one request.

        Raises:
            HttpRefused: 403, a form of another site; 404, there is no such page.
            WorldUnavailable: It is not known who asks.
        """
        if asked.method == "POST":
            return await self._posted(asked)
        if asked.path == SIGN_IN:
            return _to(PATH) if asked.certificate else self._entrance(200)
        if asked.path == ENTER:
            return Frame(self._organisation, "").page(200, "Console", pages.enter(asked.query.get("ticket", "")[:100]))
        page = self._pages.get(asked.path[len(PATH) :])
        if page is None:
            raise HttpRefused(404, "there is no such page in the console")
        if asked.certificate:
            await self._note_certificate(asked)
            return await page(asked, Frame(self._organisation, asked.certificate, can_leave=False))
        session = await self._tickets.session(_cookie(asked))
        return _to(SIGN_IN) if session is None else await page(asked, Frame(self._organisation, session.name))

    def _entrance(self, status: int, trouble: str = "", headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
        answer = Frame(self._organisation, "").page(status, "Console", pages.sign_in(trouble))
        return HttpAnswer(status, answer.content_type, answer.body, headers=(*answer.headers, *headers))

    # --- coming and going

    async def _note_certificate(self, asked: HttpAsked) -> None:
        """Write down that somebody came with a certificate, once for each who does, as long as a session lasts."""
        now = self._timers.now()
        at = self._noted.pop(asked.certificate, None)
        is_new = at is None or now - at >= self._settings.console_s
        self._noted[asked.certificate] = now if at is None or is_new else at
        if len(self._noted) > NOTED_MOST:
            del self._noted[next(iter(self._noted))]
        if is_new:
            author = Author(asked.certificate, asked.peer, OperatorRole.VIEWER, "certificate")
            await self._record("console sign-in", author, "ok")

    async def _posted(self, asked: HttpAsked) -> HttpAnswer:
        if not _is_own(asked):
            raise HttpRefused(403, "this form is of another site")
        try:
            match asked.path:
                case pages.SIGN_IN:
                    return await self._with_token(asked)
                case pages.ENTER:
                    return await self._with_link(asked)
                case pages.SIGN_OUT:
                    return await self._out(asked)
        except TokenRefused as no:
            return self._entrance(no.status, str(no), no.headers)
        except NoPlace as no:
            return self._entrance(503, str(no))
        raise HttpRefused(405, "this page is only looked at", (("Allow", "GET, HEAD"),))

    async def _with_token(self, asked: HttpAsked) -> HttpAnswer:
        holder = await self._door.holder(_form(asked).get("token", ""), asked.peer)
        if holder is None:
            return self._entrance(403, "nobody has this token")
        return await self._in(await self._tickets.of_token(holder, asked.peer), asked)

    async def _with_link(self, asked: HttpAsked) -> HttpAnswer:
        self._door.check_wait(asked.peer)
        secret = await self._tickets.of_link(_form(asked).get("ticket", ""), asked.peer)
        if secret is None:
            self._door.count_wrong(asked.peer)
            return self._entrance(403, "this link was used, or is over; ask the shell for another one: console link")
        return await self._in(secret, asked)

    async def _in(self, secret: str, asked: HttpAsked) -> HttpAnswer:
        session = await self._tickets.session(secret)
        if session is None:
            return self._entrance(403, "this session is over")
        await self._record("console sign-in", _author(session, asked), "ok")
        return _to(PATH, ("Set-Cookie", _set_cookie(secret, self._settings.console_s)))

    async def _out(self, asked: HttpAsked) -> HttpAnswer:
        secret = _cookie(asked)
        session = await self._tickets.session(secret)
        if session is not None:
            await self._tickets.sign_out(secret)
            await self._record("console sign-out", _author(session, asked), "ok")
        return _to(SIGN_IN, ("Set-Cookie", _set_cookie("", 0)))

    # --- pages

    async def _overview(self, asked: HttpAsked, frame: Frame) -> HttpAnswer:
        found = await self._gathering.overview(DAY if asked.query.get("span") == DAY else HOUR)
        drawn = await Slices(self._timers, CHARTS_AT_ONCE).carry_out(pages.charts(found))
        return frame.page(200, "Overview", pages.overview(found, drawn), "")

    async def _people(self, asked: HttpAsked, frame: Frame) -> HttpAnswer:
        text = asked.query.get("page", "")
        page = min(int(text), PAGES_MOST) if text.isdecimal() and 0 < len(text) < 6 else 1
        find = asked.query.get("find", "").strip()[:_SEARCHED]
        found = await self._gathering.people(find, max(page, 1))
        return frame.page(200, "People", pages.people(found, find, max(page, 1)), "people")

    async def _conferences(self, asked: HttpAsked, frame: Frame) -> HttpAnswer:
        return frame.page(200, "Conferences", pages.conferences(await self._gathering.conferences()), "conferences")

    async def _refusals(self, asked: HttpAsked, frame: Frame) -> HttpAnswer:
        of = asked.query.get("of", "").strip()[:_SEARCHED]
        found = await self._gathering.refusals(of)
        return frame.page(200, "Refusals", pages.refusals(found, of, self._timers.wall()), "refusals")


def _author(session: ConsoleTicket, asked: HttpAsked) -> Author:
    return Author(session.name, asked.peer, OperatorRole.VIEWER, "console")


def _to(path: str, *headers: tuple[str, str]) -> HttpAnswer:
    return HttpAnswer(303, headers=(("Location", path), *headers))


def _cookie(asked: HttpAsked) -> str:
    found = _COOKIE.search(asked.headers.get("cookie", ""))
    return "" if found is None else found[1]


def _set_cookie(secret: str, lasts_s: int) -> str:
    return f"{COOKIE}={secret}; Path=/; Max-Age={lasts_s}; Secure; HttpOnly; SameSite=Strict"


def _is_own(asked: HttpAsked) -> bool:
    """Tell whether a form was on a page of this site, as far as the browser says."""
    if asked.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = asked.headers.get("origin", "")
    host = origin.partition("://")[2]
    return not origin or re.sub(r":\d{1,5}$", "", host) == asked.host


def _form(asked: HttpAsked) -> dict[str, str]:
    """Read the fields of a form; what is none has none."""
    try:
        found = parse_qs(asked.body.decode("ascii"), max_num_fields=_FORM_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}
