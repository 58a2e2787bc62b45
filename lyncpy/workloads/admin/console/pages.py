"""The pages of the console as HTML. Pure; every text that is not ours is escaped where it is put in."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import urlencode

from lyncpy.contracts.http import HttpAnswer
from lyncpy.core.pages import ICON_PATH, digest_of
from lyncpy.workloads.admin.console.charts import Series, chart, clock
from lyncpy.workloads.admin.console.gathered import DAY, HOUR, PAGE, PAGES_MOST, Listed, Overview, Row
from lyncpy.workloads.admin.console.look import SCRIPT, STYLE

PATH: Final = "/console/"
SIGN_IN, ENTER, SIGN_OUT = f"{PATH}sign-in", f"{PATH}enter", f"{PATH}sign-out"
PARTS: Final[Mapping[str, str]] = {
    "": "Overview",
    "people": "People",
    "conferences": "Conferences",
    "refusals": "Refusals",
}
_FEW: Final = 8
"""Rows of a list on the first page."""

_POLICY: Final = (
    f"default-src 'none'; style-src {digest_of(STYLE)}; script-src {digest_of(SCRIPT)}; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Robots-Tag", "noindex, nofollow"),
    # Without any, a browser would not say of a form that it is of this site.
    ("Referrer-Policy", "same-origin"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What all pages have around what they show."""

    organisation: str
    who: str
    """Who looks, as text; "": nobody has signed in yet."""

    can_leave: bool = True
    """Whether they may sign out: not, who shows a certificate with each connection."""

    def page(self, status: int, title: str, inside: str, part: str | None = None) -> HttpAnswer:
        """Give a page.

        Args:
            status: Of the answer.
            title: Text.
            inside: HTML of its main part.
            part: The part of the console that it is; None: none.
        """
        organisation = escape(self.organisation)
        document = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)} · {organisation}</title>'
            f'<link rel="icon" href="{ICON_PATH}"><style>{STYLE}</style></head><body>'
            '<a class="skip" href="#main">Skip to the content</a>'
            f'<header class="bar"><a class="brand" href="{PATH}"><img src="{ICON_PATH}" alt="">{organisation}</a>'
            f'{self._ways(part)}</header><main id="main">{inside}</main><script>{SCRIPT}</script></body></html>\n'
        )
        return HttpAnswer(status, "text/html; charset=utf-8", document.encode(), headers=_HEADERS)

    def _ways(self, part: str | None) -> str:
        if not self.who:
            return ""
        links = "".join(
            f'<a href="{PATH}{name}"{_current(name == part, "page")}>{title}</a>' for name, title in PARTS.items()
        )
        out = f'<form method="post" action="{SIGN_OUT}"><button>Sign out</button></form>' if self.can_leave else ""
        return f'<nav aria-label="Console">{links}</nav><div class="end"><span>{escape(self.who)}</span>{out}</div>'


# --- coming in


def sign_in(trouble: str = "") -> str:
    """Write the form that takes a token."""
    return (
        '<div class="card sign-in"><h1>Console</h1>'
        f"{_trouble(trouble)}"
        f'<form method="post" action="{SIGN_IN}"><label>Operator’s token'
        '<input type="password" name="token" required autocomplete="current-password" spellcheck="false" maxlength="200">'
        '</label><button class="main">Sign in</button></form>'
        '<p class="quiet small">Who has none asks the shell: <code>token create NAME</code> makes one,'
        " <code>console link</code> a link that opens this page once.</p></div>"
    )


def enter(ticket: str) -> str:
    """Write the page behind a link of the shell: it opens nothing before a button is pressed, so that no preview uses it up."""
    return (
        '<div class="card sign-in"><h1>Console</h1><p>This link opens the console in this browser, once.</p>'
        f'<form method="post" action="{ENTER}"><input type="hidden" name="ticket" value="{escape(ticket)}">'
        '<button class="main">Open the console</button></form></div>'
    )


def _trouble(sentence: str) -> str:
    return f'<p role="alert" class="error">{escape(_sentence(sentence))}.</p>' if sentence else ""


# --- the first page


def charts(found: Overview) -> Generator[int, None, str]:
    """Draw what the servers did; gives the work of each drawing."""
    drawn = []
    for one in _SHOWN:
        drawn.append(_chart(one, found.history.get(one.name), found))
        yield 1
    return "".join(drawn)


def overview(found: Overview, charts: str) -> str:
    """Write how the servers are.

    Args:
        found: What they say.
        charts: As `charts` draws them.
    """
    span = "".join(
        f'<a id="span-{name}" href="{PATH}?span={name}"{_current(found.span == name, "true")}>Last {name}</a>'
        for name in (HOUR, DAY)
    )
    return (
        f"{_head(found)}{_told(found.troubles)}{_conditions(found)}"
        f'<section aria-labelledby="charts-title"><div class="head"><h2 id="charts-title">Activity</h2>'
        f'<div class="spans right">{span}</div></div></section>'
        f'<div class="charts" id="charts" data-live>{charts}</div>'
        f'<div class="two">{_live_conferences(found.conferences)}{_last_refusals(found.refusals, _day(found.at))}</div>'
        f"{_servers(found.servers)}"
    )


def _head(found: Overview) -> str:
    grave = sum(one["severity"] == "error" for one in found.conditions.rows)
    count = len(found.conditions.rows)
    if grave:
        kind, sentence = "error", f"{_many(grave, 'thing keeps', 'things keep')} the server from its work"
    elif count or found.troubles:
        kind, sentence = (
            "warning",
            f"{_many(count, 'thing needs', 'things need')} a look" if count else "A server is silent",
        )
    else:
        kind, sentence = "good", "All is well"
    mark = {"error": "✕", "warning": "!", "good": "✓"}[kind]
    at = datetime.fromtimestamp(found.at, UTC)
    return (
        f'<div class="head"><h1 id="state" data-live class="{kind}"><span aria-hidden="true">{mark}</span> {sentence}</h1>'
        f'<p class="quiet" id="at" data-live>as of <time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%H:%M:%S} UTC</time></p>'
        '<span role="status" class="quiet"></span><button type="button" class="right" data-pause hidden>Pause</button></div>'
    )


def _conditions(found: Overview) -> str:
    several = len(found.servers.rows) > 1
    items = "".join(_condition(one, _day(found.at), several=several) for one in found.conditions.rows)
    inside = f'<h2>Conditions</h2><ul class="conditions">{items}</ul>' if items else ""
    # Empty it stays on the page, so that what begins has its place.
    hidden = "" if items else " hidden"
    return f'<section class="card" id="conditions" data-live{hidden}>{inside}</section>'


def _condition(one: Row, today: str, *, several: bool) -> str:
    where = f" · {escape(str(one['server']))}" if several else ""
    remedy = f'<p class="quiet">{escape(_sentence(str(one["remedy"])))}</p>' if one["remedy"] else ""
    severity = escape(str(one["severity"]))
    return (
        f'<li><p><span class="mark {severity}">{severity.capitalize()}</span> {escape(_told_of(one))}</p>{remedy}'
        f'<p class="quiet small">since {_when(one["since"], today)}{where}</p></li>'
    )


def _told_of(one: Row) -> str:
    """Say what is wrong, and with what; a sentence that begins with the section of a setting says it already."""
    condition, concern = str(one["condition"]), str(one["concern"])
    return condition if condition.startswith(f"[{concern}]") else f"{concern}: {condition}"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A chart of the first page."""

    name: str
    title: str
    unit: str
    written: Callable[[float], str]
    factor: float = 1.0


def _rate(value: float) -> str:
    return (
        f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"
    )


def _count(value: float) -> str:
    return f"{value:,.0f}"


_SHOWN: Final = (
    _Shown("people", "People signed in", "", _count),
    _Shown("messages_s", "Messages", "a second", _rate),
    _Shown("presence_s", "Presence changes", "a second", _rate),
    _Shown("conferences", "Conferences", "", _count),
    _Shown("sign_ins_s", "Sign-ins", "a minute", _rate, 60.0),
    _Shown("refusals_s", "Refusals", "a minute", _rate, 60.0),
    _Shown("processor", "Processor", "%", _rate, 100.0),
    _Shown("loop_delay_s", "Slowest turn", "ms", _rate, 1000.0),
)


def _in_unit(one: _Shown, series: Series | None, found: Overview) -> Series:
    if series is None:
        return Series([], found.at - 3600.0, found.at, 10.0)
    points = [(at, value * one.factor) for at, value in series.points]
    return Series(points, series.begin, series.end, series.step_s)


def _chart(one: _Shown, series: Series | None, found: Overview) -> str:
    given = _in_unit(one, series, found)
    drawn = chart(f"{one.title}{f', {one.unit}' if one.unit else ''}", given, one.written)
    unit = f'<span class="quiet small">{one.unit}</span>' if one.unit else ""
    return (
        f'<figure class="card chart"><figcaption><h2>{one.title}</h2><b>{drawn.now}</b>{unit}</figcaption>{drawn.svg}'
        f'<div class="axis" aria-hidden="true"><span>{clock(given.begin, day=found.span == DAY)}</span><span>most {drawn.most}</span>'
        f"<span>{clock(given.end, day=found.span == DAY)}</span></div></figure>"
    )


def _live_conferences(found: Listed) -> str:
    rows = [(one["organizer"], one["subject"], one["people"], one["messages"]) for one in found.rows[:_FEW]]
    columns = (
        _Column("organizer"),
        _Column("subject", "wide"),
        _Column("people", "number"),
        _Column("messages", "number"),
    )
    inside = table("Conferences live", columns, rows, "No conference runs now.")
    return f'<section class="card" id="live" data-live><h2>Conferences live</h2>{inside}{_more("conferences", found)}</section>'


def _last_refusals(found: Listed, today: str) -> str:
    rows = [
        (_Time(one["at"], today), _Two(one["user"], f"{one['status']} {one['reason']}")) for one in found.rows[:_FEW]
    ]
    columns = (_Column("at", "time"), _Column("user and reason"))
    inside = table("Last refusals", columns, rows, "Nothing was refused.")
    return f'<section class="card" id="refused" data-live><h2>Last refusals</h2>{inside}{_more("refusals", found)}</section>'


def _more(part: str, found: Listed) -> str:
    return f'<p class="more"><a href="{PATH}{part}">All {found.total:,}</a></p>' if found.total > _FEW else ""


def _servers(found: Listed) -> str:
    rows = [
        (
            one.get("name") or one.get("node"),
            one.get("version"),
            _span(one.get("up_s")),
            one.get("endpoints"),
            f"{one['load_percent']} %" if one.get("load_percent") is not None else None,
            one.get("trouble") or one.get("leaving") or "serves",
        )
        for one in found.rows
    ]
    columns = (
        _Column("server"),
        _Column("version", "wide"),
        _Column("up", "wide"),
        _Column("devices", "number"),
        _Column("processor", "number"),
        _Column("state"),
    )
    return (
        f'<section class="card" id="servers" data-live><h2>Servers</h2>{table("Servers", columns, rows, "")}</section>'
    )


# --- lists


def people(found: Listed, find: str, page: int) -> str:
    """Write one page of who is signed in."""
    several = len({one["server"] for one in found.rows}) > 1
    rows = [
        (one["user"], one["client"], one["address"], _span(one["since_s"]), *((one["server"],) if several else ()))
        for one in found.rows
    ]
    columns = [_Column("person"), _Column("client", "wide"), _Column("from"), _Column("for", "time")]
    columns += [_Column("server", "wide")] if several else []
    first = (page - 1) * PAGE + 1
    counted = _many(found.total, "device", "devices")
    if found.total > PAGE and rows:
        counted = f"{first:,}–{first + len(rows) - 1:,} of {counted}"
    inside = table("Devices that are signed in", columns, rows, "Nobody is signed in, or has this in their address.")
    return (
        f'<div class="head"><h1>People</h1><p class="quiet">{counted}</p></div>{_told(found.troubles)}'
        f"{_search('people', 'find', find, 'Address, client or network')}"
        f'<section class="card">{inside}{_pager(find, page, found.total)}</section>'
    )


def conferences(found: Listed) -> str:
    """Write the conferences that run."""
    rows = [
        (
            one["organizer"],
            one["subject"],
            one["people"],
            one["lobby"],
            one["messages"],
            one["admission"],
            "locked" if one["locked"] else "open",
            one["id"],
        )
        for one in found.rows
    ]
    columns = (
        _Column("organizer"),
        _Column("subject"),
        _Column("people", "number"),
        _Column("lobby", "number wide"),
        _Column("messages", "number"),
        _Column("admission", "wide"),
        _Column("door", "wide"),
        _Column("id", "wide"),
    )
    inside = table("Conferences that run", columns, rows, "No conference runs now.")
    cut = f" · the {len(rows):,} with most people are shown" if len(rows) < found.total else ""
    return (
        f'<div class="head"><h1>Conferences</h1><p class="quiet">{_many(found.total, "runs", "run")} now{cut}</p></div>'
        f'{_told(found.troubles)}<section class="card">{inside}</section>'
    )


def refusals(found: Listed, of: str, at: float) -> str:
    """Write the last refusals.

    Args:
        found: They.
        of: What was searched for.
        at: Now, in wall-clock seconds.
    """
    rows = [
        (_Time(one["at"], _day(at)), one["user"], one["request"], one["status"], one["reason"], one["times"])
        for one in found.rows
    ]
    columns = (
        _Column("at", "time"),
        _Column("user"),
        _Column("request", "wide"),
        _Column("status", "number"),
        _Column("reason"),
        _Column("times", "number wide"),
    )
    inside = table("The last requests that were refused", columns, rows, "Nothing was refused.")
    return (
        '<div class="head"><h1>Refusals</h1><p class="quiet">the newest first; who is refused the same thing again'
        f" stands here once</p></div>{_told(found.troubles)}"
        f"{_search('refusals', 'of', of, 'Address')}"
        f'<section class="card">{inside}</section>'
    )


def _search(part: str, name: str, value: str, label: str) -> str:
    return (
        f'<form class="search" role="search" action="{PATH}{part}"><label><span class="quiet small">{label}</span>'
        f'<input type="search" name="{name}" value="{escape(value)}" maxlength="200" spellcheck="false"></label>'
        "<button>Search</button></form>"
    )


def _pager(find: str, page: int, total: int) -> str:
    def link(number: int, words: str, rel: str) -> str:
        query = urlencode({**({"find": find} if find else {}), "page": number})
        return f'<a rel="{rel}" href="{PATH}people?{escape(query)}">{words}</a>'

    ways = [link(page - 1, "Previous", "prev")] if page > 1 else []
    if page * PAGE < total and page < PAGES_MOST:
        ways.append(link(page + 1, "Next", "next"))
    elif page * PAGE < total:
        ways.append('<span class="quiet">search for whoever is further on</span>')
    return f'<nav class="pager" aria-label="Pages">{"".join(ways)}</nav>' if ways else ""


# --- what all have


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Time:
    value: object
    today: str
    """The day that needs no mention."""


@dataclass(frozen=True, slots=True)
class _Two:
    """Two lines of a cell."""

    first: object
    second: str


def table(caption: str, columns: Sequence[_Column], rows: Sequence[Sequence[object]], nothing: str) -> str:
    """Write a table.

    Args:
        caption: What it shows, for who does not see it.
        columns: Their names, and how they look.
        rows: Their cells: texts, numbers, `_Time`, `_Two` or None.
        nothing: What stands there without rows.
    """
    if not rows:
        return f'<p class="quiet">{nothing}</p>'
    kinds = [f' class="{one.kind}"' if one.kind else "" for one in columns]
    head = "".join(f'<th scope="col"{kind}>{one.name}</th>' for one, kind in zip(columns, kinds, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{_cell(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>"
        for row in rows
    )
    return f'<table aria-label="{caption}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "–"
        case _Time():
            return _when(value.value, value.today)
        case _Two():
            return f'{_cell(value.first)}<br><span class="quiet">{_cell(value.second)}</span>'
        case int():
            return f"{value:,}"
        case _:
            # An address that has no place in a line is broken where its domain begins.
            return escape(str(value)).replace("@", "@<wbr>")


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _when(value: object, today: str) -> str:
    """Write a moment of RFC 3339: the time alone, if it was today."""
    text = escape(str(value))
    day = "" if text[:10] == today else f"{text[:10]} "
    return f'<time datetime="{text}">{day}{text[11:19]}</time>'


def _span(seconds: object) -> str | None:
    """Write how long something has lasted, in the largest two units."""
    if not isinstance(seconds, int | float):
        return None
    left = int(seconds)
    for size, name, small, small_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if left >= size:
            return f"{left // size} {name} {left % size // small} {small_name}"
    return f"{left} s"


def _sentence(text: str) -> str:
    """Begin with a capital."""
    return text[:1].upper() + text[1:]


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _told(troubles: Sequence[str]) -> str:
    """Say which servers do not answer."""
    items = "".join(f'<li class="warning">{escape(one)}</li>' for one in troubles)
    return f'<ul class="card" role="alert">{items}</ul>' if items else ""


def _current(is_current: bool, kind: str) -> str:
    return f' aria-current="{kind}"' if is_current else ""
