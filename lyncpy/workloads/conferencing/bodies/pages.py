"""The page behind a meeting link: it starts the installed client, and says what to do without one.

A hidden frame asks the browser to open the client, and where that fails the page is still there, with a link to press;
its script only copies. Of a meeting it tells whose it is, and neither subject nor participants: whoever has the link sees no more
than how to join, where the focus asks who they are. Client: protocol notes, "web services" §8, "conferencing" §7.
"""

import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.core.languages import text
from lyncpy.core.pages import PageLayout, copy_button, language_of

_LINK: Final = re.compile(r"([^/\s@:;?<>\"%]{1,64})/([A-Za-z0-9]{1,64})/?")
"""Organizer and id, after the common beginning of all links."""

_PLAIN_IN_URI: Final = ":;=@+$,&!~*'()/-_."


@dataclass(frozen=True, slots=True)
class MeetingLink:
    """The part of a conference that the page needs."""

    uri: str
    """Its focus URI."""

    organizer: str
    """Whose it is, as people read it; "": not known."""


class MeetingPages:
    """The pages under the meeting links of this server."""

    def __init__(
        self,
        find: Callable[[Aor, str], Awaitable[MeetingLink | None]],
        domain: str,
        meeting_url: str,
        look: PageLayout,
        front: Callable[[HttpAsked], Awaitable[HttpAnswer]],
    ) -> None:
        """Work out under which path and host the pages are.

        Args:
            find: Finds a conference by its organizer's address and its id.
            domain: In which an organizer is looked for first; "": there are no pages.
            meeting_url: Where all links begin; "": there are no pages.
            look: Whose pages these are.
            front: Answers at the root of a host name.
        """
        self._find = find
        self._domain = domain
        self._look = look
        self._front = front
        parts = urlsplit(meeting_url)
        self._path = f"{parts.path.rstrip('/')}/"
        # Links at the root of a host name take every path of it that no other page has; a folder is theirs under every
        # host name of this server.
        self._host = (parts.hostname or "").lower() if self._path == "/" else ""
        self._offered = bool(meeting_url and domain)

    def rows(self) -> tuple[HttpResource, ...]:
        """Return the pages as resources of the web server; none where links have no beginning."""
        return (HttpResource(self._path, self.answer, host=self._host),) if self._offered else ()

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Return the page of a meeting; one with status 404 when the link names none, and where links begin what links are.

        Raises:
            HttpRefused: 404, the path is no link to a meeting.
        """
        if asked.path == "/":
            return await self._front(asked)
        path, language = asked.path[len(self._path) :], language_of(asked)
        if not path:
            heading = text(language, "meeting_heading")
            return self._look.page(asked, 200, heading, f"<p>{text(language, 'meeting_how')}</p>")
        matched = _LINK.fullmatch(path)
        if matched is None:
            raise HttpRefused(404, "this is no link to a meeting")
        conference = await self._find(aor_of(f"{matched[1]}@{self._domain}"), matched[2])
        if conference is None:
            inside = f'<p>{text(language, "no_meeting_why")}</p><p class="quiet">{text(language, "no_meeting_ask")}</p>'
            return self._look.page(asked, 404, text(language, "no_meeting"), inside)
        organizer = html.escape(conference.organizer)
        title = text(language, "meeting_of", organizer=organizer) if organizer else text(language, "join")
        inside = _door(language, conference.uri)
        return self._look.page(asked, 200, title, inside, frames="conf:", copies=True)


def _door(language: str, uri: str) -> str:
    link = html.escape(f"conf:{quote(uri, safe=_PLAIN_IN_URI)}")

    def say(name: str) -> str:
        return text(language, name)

    return (
        f"<p>{say('opens_now')}</p>"
        f'<div class="actions"><a class="join" href="{link}">{say("join")}</a>{copy_button(language, "copy_link")}</div>'
        f'<section class="phone"><h2>{say("phone_heading")}</h2><p>{say("phone_how")}</p></section>'
        f"<section><h2>{say('nothing_heading')}</h2><ul>"
        f"<li>{say('nothing_lync')}</li>"
        f"<li>{say('nothing_pidgin')}<br><code>{html.escape(uri)}</code>"
        f"<br>{copy_button(language, 'copy_address', uri, small=True)}</li></ul></section>"
        f'<section><h2>{say("none_heading")}</h2><p class="quiet">{say("none_how")}</p></section>'
        f'<iframe src="{link}" title="{html.escape(say("opens_client"))}" tabindex="-1" aria-hidden="true" hidden></iframe>'
    )
