"""The one look of the pages that people see in a browser: no script runs on them, nothing is loaded."""

import base64
import hashlib
from typing import Final

from lyncpy.contracts.http import HttpAnswer

_STYLE: Final = (
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1b1b;--quiet:#555;--button:#1a5fb4;--label:#fff}"
    "@media(prefers-color-scheme:dark){:root{--page:#1f1f1f;--text:#f0f0f0;--quiet:#b8b8b8;--button:#99c1f1;--label:#102a43}}"
    "body{margin:0;background:var(--page);color:var(--text);font:1.0625rem/1.5 system-ui,sans-serif}"
    "main{max-width:36rem;margin:0 auto;padding:10vh 1.5rem 2rem}"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem}h2{font-size:1.125rem;margin:2.5rem 0 .5rem}"
    "ul{padding-left:1.25rem}li{margin:.5rem 0}code{overflow-wrap:anywhere}.quiet{color:var(--quiet)}"
    ".join{display:inline-block;background:var(--button);color:var(--label);font-weight:600;"
    "padding:.75rem 1.5rem;border-radius:.375rem;text-decoration:none}"
    ".join:hover{text-decoration:underline}a:focus-visible{outline:3px solid var(--text);outline-offset:3px}"
)
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def page(status: int, title: str, inside: str, *, frames: str = "'none'") -> HttpAnswer:
    """Give one page of a list.

    Args:
        status: Of the answer.
        title: Text that is HTML already, also the heading.
        inside: HTML below the heading.
        frames: What a frame on it may open, as a Content-Security-Policy names it.
    """
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{inside}</main></body></html>\n"
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; frame-src {frames}; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    headers = (("Content-Security-Policy", policy), ("X-Robots-Tag", "noindex, nofollow"))
    return HttpAnswer(status, "text/html; charset=utf-8", text.encode(), headers=headers)
