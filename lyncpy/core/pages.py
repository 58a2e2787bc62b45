"""The one look of the pages that people see in a browser: whose server it is, in their language; nothing is loaded from elsewhere."""

import base64
import hashlib
import html
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked
from lyncpy.core.languages import text, wanted

ICON_PATH: Final = "/icon"
"""Where the organisation's icon is."""

_STYLE: Final = (
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1b1b;--quiet:#555;--line:#d5d7db;--button:#1a5fb4;--label:#fff}"
    "@media(prefers-color-scheme:dark){:root{--page:#1f1f1f;--text:#f0f0f0;--quiet:#b8b8b8;--line:#44474d;"
    "--button:#99c1f1;--label:#102a43}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--text);font:1.0625rem/1.5 system-ui,sans-serif}"
    "header,main{max-width:38rem;margin:0 auto;padding:0 1.5rem}"
    "header{display:flex;align-items:center;gap:.75rem;padding-top:7vh;font-weight:600;overflow-wrap:anywhere}"
    "header img{width:2.5rem;height:2.5rem;object-fit:contain;flex:none}"
    "main{display:flex;flex-direction:column;padding-top:2rem;padding-bottom:3rem}"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.125rem;margin:2rem 0 .5rem}"
    "p{margin:0 0 1rem}ul{margin:0;padding-left:1.25rem}li{margin:.5rem 0}code{overflow-wrap:anywhere}"
    ".quiet{color:var(--quiet)}.actions{display:flex;flex-wrap:wrap;gap:.75rem}"
    ".join,button{display:inline-block;font:inherit;font-weight:600;padding:.75rem 1.5rem;border-radius:.375rem;cursor:pointer}"
    ".join{background:var(--button);color:var(--label);border:1px solid var(--button);text-decoration:none}"
    "button{background:none;color:var(--button);border:1px solid var(--line)}"
    "button.small{padding:.25rem .75rem;margin:.5rem 0;font-size:.9375rem}[hidden]{display:none}"
    ".join:hover{text-decoration:underline}button:hover{border-color:var(--button)}"
    "a:focus-visible,button:focus-visible{outline:3px solid var(--text);outline-offset:3px}"
    # Who holds a phone reads first what concerns them.
    "@media(pointer:coarse){.phone{order:-1;margin-bottom:2rem}.phone h2{margin-top:0}h1{order:-2}}"
)

_SCRIPT: Final = (
    "for(const button of document.querySelectorAll('button[data-copied]')){"
    "if(!navigator.clipboard)break;button.hidden=false;"
    "button.addEventListener('click',async()=>{"
    "await navigator.clipboard.writeText(button.dataset.copy||location.href);"
    "document.querySelector('[role=status]').textContent=button.dataset.copied;"
    "const before=button.textContent;button.textContent=button.dataset.copied;"
    "setTimeout(()=>{button.textContent=before},4000)})}"
)
"""Shows the buttons that copy, where the browser lets them; without it the page is whole."""


def digest_of(text_: str) -> str:
    """Give what a Content-Security-Policy allows an inline style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text_.encode()).digest()).decode()}'"


_STYLE_DIGEST: Final = digest_of(_STYLE)
_SCRIPT_DIGEST: Final = digest_of(_SCRIPT)


@dataclass(frozen=True, slots=True)
class PageLayout:
    """What the pages of a server have in common."""

    organisation: str
    """Whose server it is, as text."""

    def page(
        self, asked: HttpAsked, status: int, title: str, inside: str, *, frames: str = "'none'", copies: bool = False
    ) -> HttpAnswer:
        """Give one page, in the language of whoever asks.

        Args:
            asked: The request.
            status: Of the answer.
            title: Text that is HTML already, also the heading.
            inside: HTML below the heading.
            frames: What a frame on it may open, as a Content-Security-Policy names it.
            copies: Whether it has buttons of `copy_button`.
        """
        language = language_of(asked)
        organisation = html.escape(self.organisation)
        script = f'<p role="status" class="quiet"></p><script>{_SCRIPT}</script>' if copies else ""
        document = (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
            f'<link rel="icon" href="{ICON_PATH}"><style>{_STYLE}</style></head><body>'
            f'<header><img src="{ICON_PATH}" alt="">{organisation}</header>'
            f"<main><h1>{title}</h1>{inside}{script}</main></body></html>\n"
        )
        policy = (
            f"default-src 'none'; style-src {_STYLE_DIGEST}; img-src 'self'; frame-src {frames};"
            f"{f' script-src {_SCRIPT_DIGEST};' if copies else ''} base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = (
            ("Content-Security-Policy", policy),
            ("X-Robots-Tag", "noindex, nofollow"),
            ("Content-Language", language),
        )
        return HttpAnswer(status, "text/html; charset=utf-8", document.encode(), headers=headers)


def language_of(asked: HttpAsked) -> str:
    """Give the language in which somebody is answered."""
    return wanted(asked.headers.get("accept-language", ""))


def copy_button(language: str, name: str, copied: str = "", *, small: bool = False) -> str:
    """Give a button that copies a text, which is shown where a script may run.

    Args:
        language: Of the page.
        name: Of the text on the button.
        copied: What it copies, as text; "": the address of the page.
        small: Whether it stands within a paragraph.
    """
    done, kind = html.escape(text(language, "copied")), ' class="small"' if small else ""
    return (
        f'<button type="button"{kind} data-copy="{html.escape(copied)}" data-copied="{done}" hidden>'
        f"{text(language, name)}</button>"
    )
