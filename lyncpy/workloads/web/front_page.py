"""The front page: what somebody reads who opens the bare address of this server in a browser."""

import html
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.core.pages import page

NOTHING: Final = "there is nothing at this address"


class FrontPage:
    """Answers at the root, and with 404 for every other path.

    Args:
        domains: Of the addresses with which people sign in; the page is named after the first.
    """

    def __init__(self, domains: tuple[str, ...]) -> None:
        self._domain = html.escape(domains[0])
        self._ends = " or ".join(f"<code>@{html.escape(domain)}</code>" for domain in domains)

    def rows(self) -> tuple[HttpResource, ...]:
        """Give the HTTP resource of the front page."""
        return (HttpResource("/", self.answer),)

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Answer with the front page."""
        if asked.path != "/":
            raise HttpRefused(404, NOTHING)
        return page(200, f"Messages and meetings of {self._domain}", self._inside())

    def _inside(self) -> str:
        return (
            "<p>This is the address of a communications server. It is meant for programs: links to meetings and"
            " icons of presence lead here.</p>"
            "<h2>To sign in</h2>"
            f"<p>Start Lync, Skype for Business or Pidgin on your computer and sign in with your address, which ends"
            f" in {self._ends}.</p>"
            "<h2>To join a meeting</h2>"
            "<p>Open the link in your invitation, whole.</p>"
            '<p class="quiet">There is nothing to sign in to on this page.</p>'
        )
