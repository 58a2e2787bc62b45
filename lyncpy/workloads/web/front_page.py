"""The front page: what somebody reads who opens the bare address of this server in a browser; and the organisation's icon."""

import html
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.core.languages import text
from lyncpy.core.pages import ICON_PATH, PageLayout, language_of
from lyncpy.workloads.web.icon import IconFile

NOTHING: Final = "there is nothing at this address"
_ICON_KEPT_S: Final = 3600
_ICON_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""An SVG may have a style of its own, and nothing that runs or loads."""


class FrontPage:
    """Answers at the root, and with 404 for every other path.

    Args:
        domains: Of the addresses with which people sign in.
        look: Whose page this is.
        icon: Of the organisation.
    """

    def __init__(self, domains: tuple[str, ...], look: PageLayout, icon: IconFile) -> None:
        self._ends = [f"<code>@{html.escape(domain)}</code>" for domain in domains]
        self._look = look
        self._icon = icon

    def rows(self) -> tuple[HttpResource, ...]:
        """Give the HTTP resources of the front page."""
        return (HttpResource("/", self.answer), HttpResource(ICON_PATH, self.icon))

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Answer with the front page."""
        if asked.path != "/":
            raise HttpRefused(404, NOTHING)
        language = language_of(asked)
        title = text(language, "root_title", organisation=html.escape(self._look.organisation))
        ends = f" {text(language, 'or')} ".join(self._ends)
        inside = (
            f"<p>{text(language, 'root_what')}</p>"
            f"<h2>{text(language, 'sign_in_heading')}</h2><p>{text(language, 'sign_in', ends=ends)}</p>"
            f"<h2>{text(language, 'meeting_heading')}</h2><p>{text(language, 'meeting_how')}</p>"
            f'<p class="quiet">{text(language, "nothing_here")}</p>'
        )
        return self._look.page(asked, 200, title, inside)

    async def icon(self, asked: HttpAsked) -> HttpAnswer:
        """Answer with the organisation's icon."""
        icon = self._icon.icon
        cache = f"public, max-age={_ICON_KEPT_S}"
        policy = (("Content-Security-Policy", _ICON_POLICY),)
        return HttpAnswer(200, icon.media_type, icon.content, icon.etag, cache, policy)
