"""A head that is written as nearly all are is read in one go; what is read is the same as line by line."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lyncpy.sip.decoder import Decoder, Item
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.essentials import read_essentials
from lyncpy.sip.message import Headers, Request, response_to
from lyncpy.sip.shared import SharedLines
from lyncpy.sip.transaction import COOKIE, Key, server_key
from tests.kit.soak import many

ADDRESS = st.sampled_from(
    [
        "<sip:alice@example.com>;tag=a1;epid=0f",
        "<sip:alice@example.com>;tag=a1",
        "<sip:alice@example.com>;epid=0f",
        "<sip:alice@example.com>",
        "<sip:alice@example.com>;epid=0f;tag=a1",
        "<sip:alice@example.com>;tag=a;tag=b",
        "<sip:alice@example.com>;TAG=a1 ; epid=0f",
        '<sip:alice@example.com>;tag="a;b"',
        '"Alice <x>" <sip:alice@example.com>;tag=a1',
        "Alice <sip:alice@example.com>;tag=a1",
        "sip:alice@example.com;tag=a1",
        "<sip:a@b>, <sip:c@d>;tag=a1",
        "<sip:a@b>;tag=a1, <sip:c@d>",
        "<sip:a b@c>;tag=a1",
        "<sip:a@b;c=d?e>;tag=a1",
        "<>;tag=a1",
        "<sip:a@b>;tag=",
        "<sip:a@b>;",
        "<sip:a@b>x",
        "*",
        "",
        " \t<sip:a@b>;tag=a1\t",
        "<sip:zo\xeb@b>;tag=a1",
    ]
)
CSEQ = st.sampled_from(
    [
        "1 SERVICE",
        "007 SERVICE",
        "1  SERVICE",
        "999999999 SERVICE",
        "4294967296 SERVICE",
        "1 OTHER",
        "SERVICE",
        "²  SERVICE",
        "",
    ]
)
VIA = st.builds(
    "{}{}{}".format,
    st.sampled_from(["SIP/2.0/TLS 10.0.0.1:40000", "SIP / 2.0 / tls h", "SIP/2.0/TLS 10.0.0.1:", "SIP/2.0/TLS", "", "SIP/2.0/TLS h;a=b"]),
    st.sampled_from([";branch=z9hG4bKa1", ";branch=Z9HG4BKa1", ";branch=z9hG4bK", ";branch=a", "", ";branch = z9hG4bKa1", ';branch="z9hG4bKa1"', ";branch"]),
    st.sampled_from(["", ";received=10.0.0.2;ms-received-port=9", ";", ";;x", ", SIP/2.0/TLS h2;branch=z9hG4bKb2", ';x="y, z"', ";branch=z9hG4bKc3"]),
)  # fmt: skip


def outcome(read: object, request: Request) -> object:
    """Give what a function reads, or why it does not."""
    assert callable(read)
    try:
        return read(request)
    except RemoteProtocolError as error:
        return error.reason, error.status


def in_one_go(request: Request) -> object:
    """Read as the server does."""
    read_essentials(request)
    return each(request)


def each(request: Request) -> object:
    """Read each when it is asked for."""
    return (
        request.call_id,
        request.cseq,
        request.from_,
        request.from_.tag,
        request.from_.epid,
        request.to,
        request.to.tag,
    )


def named(request: Request) -> Key:
    """Name a transaction by what is read of the whole Via: RFC 3261 §17.2.3."""
    via = request.via
    branch = via.branch or ""
    if branch.lower().startswith(COOKIE) and branch.lower() != COOKIE:
        return "SERVICE", branch, f"{via.host}:{via.port or ''}"
    return "SERVICE", f"{request.call_id} {request.cseq.number}", request.from_.tag or ""


@settings(max_examples=many(500))
@given(
    ADDRESS,
    ADDRESS,
    CSEQ,
    VIA,
    st.sampled_from(["c1", "", " c 1 "]),
    st.booleans(),
    st.sampled_from(["", "To", "CSeq"]),
)
def test_what_a_request_has_to_say(
    from_: str, to: str, cseq: str, via: str, call_id: str, is_shared: bool, twice: str
) -> None:
    """Both read the same, and say the same of what is broken."""
    fields = [("Via", via), ("From", from_), ("To", to), ("Call-ID", call_id), ("CSeq", cseq)]
    fields += [(name, value) for name, value in fields if name == twice]

    def request() -> Request:
        return Request("SERVICE", "sip:x", Headers(fields), shared=SharedLines() if is_shared else None)

    first, second = request(), request()
    assert outcome(in_one_go, first) == outcome(each, second)
    assert outcome(lambda one: one.dialog_text, first) == outcome(lambda one: one.dialog_text, second)
    assert outcome(server_key, first) == outcome(named, second)
    assert outcome(lambda one: response_to(one, 200, to_tag="t"), first) == outcome(
        lambda one: response_to(one, 200, to_tag="t"), request()
    )
    if first.shared is not None and second.shared is not None:
        both = first.shared.views.keys() & second.shared.views.keys()
        assert [first.shared.views[name] for name in both] == [second.shared.views[name] for name in both]


NAMES = st.lists(
    st.sampled_from(
        [
            ("Via", "v"),
            ("From", "f"),
            ("To", "t"),
            ("Call-ID", "i"),
            ("CSeq", "CSEQ"),
            ("Supported", "k"),
            ("X-Own", "x-own"),
        ]
    ),
    min_size=1,
    max_size=8,
)
LENGTHS = st.sampled_from([["5"], ["5", "5"], ["5", "6"], ["x"], [], ["0"], ["99999999"]])


def decoded(lines: list[str], cut: int) -> list[Item] | None:
    """Decode a request that comes in two pieces; None: its framing is lost."""
    data = "\r\n".join(["SERVICE sip:bob@example.com SIP/2.0", *lines, "", "hello"]).encode()
    decoder = Decoder()
    try:
        items = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
    except RemoteProtocolError:
        return None
    return items if decoder.lost is None else None


@settings(max_examples=many(300))
@given(NAMES, LENGTHS, st.integers(0, 7), st.integers(0, 200))
def test_names_that_have_come_before(names: list[tuple[str, str]], lengths: list[str], where: int, cut: int) -> None:
    """What usual names make known, and what others say in other words, is one and the same message."""
    usual = [f"{long}: value {place}" for place, (long, _) in enumerate(names)]
    other = [f"{short}:\tvalue {place} " for place, (_, short) in enumerate(names)]
    usual[where:where] = [f"Content-Length: {length}" for length in lengths]
    other[where:where] = [f"l :{length}" for length in lengths]
    first = decoded(usual, 0)
    assert decoded(usual, cut) == first
    assert decoded(other, cut) == first
    assert decoded(usual, cut) == first
