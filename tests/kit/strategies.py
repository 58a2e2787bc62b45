"""Hypothesis strategies: URIs, headers and messages that are valid, but not tame.

Text is what a client may really send: any Unicode but line breaks and NUL, and bytes that
are no UTF-8 at all (as `surrogateescape` shows them).
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

from hypothesis import strategies as st

from lyncpy.sip.grammar import quote
from lyncpy.sip.message import Headers, Message, Request, Response


def each_of(*choices: Iterable[object]) -> st.SearchStrategy[tuple[Any, ...]]:  # Any: one of each, whatever they are
    """Give one of each, chosen at once: a choice among a thousand takes as long as one among two."""
    return st.sampled_from(list(product(*choices)))


_TOKEN_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
_WORD_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

tokens = st.text(_TOKEN_CHARS, min_size=1, max_size=20)
words = st.text(_WORD_CHARS, min_size=1, max_size=12)

# Bytes that come as they may; a run of them that is UTF-8 is that text.
raw_text = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40),
    st.binary(max_size=20).map(lambda data: data.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape")),
)

values = raw_text.map(lambda text: text.strip(" \t"))
"""What may stand after the colon of a header nobody reads."""

hosts = st.one_of(
    st.lists(words, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["127.0.0.1", "[::1]", "[2001:db8::9:1]", "front_end.contoso.test"]),
)

ports = st.one_of(st.none(), st.integers(1, 65535))

_user_chars = _WORD_CHARS + "-_.!~*'()&=+$,;?/"
users = st.one_of(st.text(_user_chars, min_size=1, max_size=16), st.just("j%40doe"), st.just("%61lice"))

uri_params = st.lists(
    st.one_of(
        words.map(lambda name: f";{name}"),
        st.tuples(words, words).map(lambda pair: f";{pair[0]}={pair[1]}"),
        st.sampled_from([";gruu", ";opaque=user:epid:qIIWS2j5AVeD_HxnQdxmlwAA", ";transport=tls", ";lr"]),
    ),
    max_size=4,
).map("".join)


@st.composite
def sip_uris(draw: st.DrawFn) -> str:
    """Draw a sip or sips URI as text."""
    scheme = draw(st.sampled_from(["sip", "sips", "SIP"]))
    user = draw(st.one_of(st.none(), users))
    port = draw(ports)
    headers = draw(st.sampled_from(["", "?subject=hello", "?a=b&c=%20"]))
    place = draw(hosts) + (f":{port}" if port else "")
    return f"{scheme}:{user + '@' if user else ''}{place}{draw(uri_params)}{headers}"


tel_uris = st.from_regex(r"tel:\+[0-9]{3,12}(;phone-context=[a-z]{1,8})?", fullmatch=True)

uris = st.one_of(sip_uris(), tel_uris)

header_params = st.lists(
    st.one_of(
        st.tuples(words, st.one_of(words, raw_text.map(quote))).map(lambda pair: f";{pair[0]}={pair[1]}"),
        words.map(lambda name: f";{name}"),
        words.map(lambda tag: f";tag={tag}"),
        words.map(lambda epid: f" ; epid = {epid}"),
    ),
    max_size=3,
).map("".join)


@st.composite
def name_addrs(draw: st.DrawFn) -> str:
    """Draw a From, To or Contact value as text."""
    display = draw(st.one_of(st.just(""), words.map(lambda word: word + " "), raw_text.map(quote)))
    return f"{display}<{draw(uris)}>{draw(header_params)}"


@st.composite
def vias(draw: st.DrawFn) -> str:
    """Draw a Via value as text; real clients leave out the branch."""
    transport = draw(st.sampled_from(["TLS", "tls", "TCP", "tcp", "UDP"]))
    port = draw(ports)
    branch = draw(st.one_of(st.just(""), words.map(lambda word: f";branch=z9hG4bK{word}")))
    return f"SIP/2.0/{transport} {draw(hosts)}{f':{port}' if port else ''}{branch}"


_RESERVED = frozenset(
    ("content-length", "via", "from", "to", "cseq", "call-id", "content-type", "l", "v", "f", "t", "i", "c")
)

unread_fields = st.tuples(
    tokens.filter(lambda name: len(name) > 1 and name.lower() not in _RESERVED),
    values,
)
"""A header (name, value) that nobody reads."""


@st.composite
def headers(draw: st.DrawFn, method: str = "MESSAGE") -> Headers:
    """Draw the headers of a message: what is essential, and anything else, in any order."""
    essential = [
        ("From", draw(name_addrs())),
        ("To", draw(name_addrs())),
        ("Call-ID", draw(words)),
        ("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}"),
        *(("Via", text) for text in draw(st.lists(vias(), min_size=1, max_size=3))),
    ]
    return Headers(draw(st.permutations(essential + draw(st.lists(unread_fields, max_size=6)))))


bodies = st.binary(max_size=200)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request."""
    method = draw(st.one_of(st.sampled_from(["INVITE", "MESSAGE", "REGISTER", "SERVICE", "BENOTIFY"]), tokens))
    return Request(method, draw(uris), draw(headers(method)), draw(bodies))


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Draw a response."""
    phrase = draw(raw_text.map(str.strip).filter(bool))
    return Response(draw(st.integers(100, 699)), phrase, draw(headers()), draw(bodies))


messages: st.SearchStrategy[Message] = st.one_of(requests(), responses())


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw a way to cut bytes into chunks; some may be empty."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
