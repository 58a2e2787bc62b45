"""The page behind a meeting link: it starts the installed client, and says what to do without one.

It has no script: a hidden frame asks the browser to open the client, and where that fails the
page is still there, with a link to press. The subject and the participants are not shown:
whoever has the link sees no more than how to join, where the focus asks who they are. Client: protocol notes, "web services" §8, "conferencing" §7.
"""

import html
import re
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.core.pages import page

_LINK: Final = re.compile(r"([^/\s@:;?<>\"%]{1,64})/([A-Za-z0-9]{1,64})/?")
"""Organizer and id, after the common beginning of all links."""

_PLAIN_IN_URI: Final = ":;=@+$,&!~*'()/-_."


class MeetingLink(Protocol):
    """The part of a conference that the page needs."""

    @property
    def uri(self) -> str:
        """Its focus URI."""


class Pages:
    """The pages under the meeting links of this server."""

    def __init__(self, find: Callable[[Aor, str], MeetingLink | None], domain: str, meeting_url: str) -> None:
        """Work out under which path and host the pages are.

        Args:
            find: Finds a conference by its organizer's address and its id.
            domain: In which an organizer is looked for first; "": there are no pages.
            meeting_url: Where all links begin; "": there are no pages.
        """
        self._find = find
        self._domain = domain
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
        """Return the page of a meeting; a page with status 404 when the link names none.

        Raises:
            HttpRefused: 404, the path is no link to a meeting.
        """
        matched = _LINK.fullmatch(asked.path[len(self._path) :])
        if matched is None:
            raise HttpRefused(404, "this is no link to a meeting")
        conference = self._find(aor_of(f"{matched[1]}@{self._domain}"), matched[2])
        if conference is None:
            return page(404, "There is no such meeting", _NONE)
        return page(200, "Join the meeting", _door(conference.uri), frames="conf:")


def _door(uri: str) -> str:
    link = html.escape(f"conf:{quote(uri, safe=_PLAIN_IN_URI)}")
    return (
        "<p>Your Lync, Skype for Business or Pidgin opens now. If the browser asks whether it may, let it.</p>"
        f'<p><a class="join" href="{link}">Join the meeting</a></p>'
        "<h2>Nothing happens?</h2><ul>"
        "<li><strong>Lync, Skype for Business:</strong> start it, sign in, and press the button again.</li>"
        "<li><strong>Pidgin:</strong> choose <em>Accounts</em>, your account, <em>Join conference</em>, and paste the"
        f" address of this page, or this one:<br><code>{html.escape(uri)}</code></li></ul>"
        "<h2>None of these on this computer?</h2>"
        '<p class="quiet">This meeting cannot be joined in a browser. Use a computer that has one of them,'
        " or ask whoever invited you.</p>"
        f'<iframe src="{link}" title="Opens the client" tabindex="-1" aria-hidden="true" hidden></iframe>'
    )


_NONE: Final = (
    "<p>It may be over, or the link is not complete: compare it with your invitation, up to its last character.</p>"
    '<p class="quiet">If it is right, ask whoever invited you for a new one.</p>'
)
