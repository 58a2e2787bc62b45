"""A message whose lines are known from the one before takes the same road as one that nobody has seen: same result.

Whatever its fields are, and whatever the answer says, three messages of a dialog arrive and are answered alike: the
first, of which all has to be read, the second, which shares its lines, and one that is given nothing to share.
"""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lyncpy.sip import shared
from lyncpy.sip.message import Headers, Request, Response, response_to
from tests.kit.soak import many
from tests.kit.stage import Stage
from tests.kit.talks import Talk

FIELDS = st.lists(
    st.sampled_from(
        [
            ("Subject", "lunch, <maybe>"),
            ("X-Umlaut", "zoë \udcff"),
            ("Privacy", "id"),
            ("Expires", "30"),
            ("Referred-By", "<sip:alice@example.com>"),
            ("Referred-By", "<sip:carol@example.com>"),
            ("P-Asserted-Identity", "<sip:carol@example.com>"),
            ("P-Preferred-Identity", "<tel:+491234>"),
            ("Record-Route", "<sip:elsewhere.example.com;lr>"),
            ("Via", "SIP/2.0/TLS 192.0.2.99:5061;branch=z9hG4bKbelow"),
            ("User-Agent", "UCCAPI/15.0.4481.1000"),
            ("Server", "mine"),
            ("ms-diagnostics", '24000;reason="a client says so"'),
            ("ms-diagnostics", '1;reason="a server would"'),
        ]
    ),
    max_size=4,
)

ADDRESSES = st.lists(
    st.sampled_from(
        ["<sip:a@b>", "sip:a@b", '"', "<", ">", ";", "tag=", "x", ",", " ", "\\", ";tag=q", "; tag = z>", "\t"]
    ),
    min_size=1,
    max_size=7,
).map("".join)
"""Broken ones, most of them."""

_SAYS_ANEW = re.compile(
    r'(rspauth|srand|snum|cnum|crand|response)="[^"]*"|branch=z9hG4bK[0-9a-zA-Z./_-]+|^[0-9]+(?= (?:MESSAGE|REGISTER)$)'
)


def alike(message: Request | Response) -> tuple[object, ...]:
    """Give what messages have in common but for number, branch and signature."""
    start = (message.uri,) if isinstance(message, Request) else (message.status, message.phrase)
    return *start, [(name, _SAYS_ANEW.sub("…", value)) for name, value in message.headers], message.body


def told(talk: Talk, fields: list[tuple[str, str]], heard: list[Request]) -> tuple[object, object]:
    """Say something; give what arrived, and what its sender was answered."""
    before = len(heard)
    exchange = talk.sends("MESSAGE", [*fields, ("Content-Type", "text/plain")], b"hello")
    assert exchange.status in (200, 202, 486)
    (arrived,) = heard[before:]
    return alike(arrived), alike(exchange.answer)


@settings(max_examples=many(60))
@given(FIELDS, FIELDS, st.sampled_from([200, 202, 486]))
def test_known_and_unknown_messages_arrive_alike(
    asked: list[tuple[str, str]], answered: list[tuple[str, str]], status: int
) -> None:
    """The first, the second, and one that shares nothing."""
    heard: list[Request] = []

    def answer(request: Request) -> Response:
        heard.append(request)
        return response_to(request, status, headers=answered)

    with Stage.opened() as stage, pytest.MonkeyPatch.context() as patched:
        alice, bob = stage.sign_in("alice", "bob")
        talk, _ = alice.talks_to(bob)
        bob.sip.answers["MESSAGE"] = answer
        first = told(talk, asked, heard)
        assert told(talk, asked, heard) == first
        patched.setattr(shared, "METHODS", ("nothing",))
        assert told(talk, asked, heard) == first


@settings(max_examples=many(30))
@given(st.sampled_from([None, 60, 900, 100_000]), st.sampled_from(["", "Alice Adler", 'A "B" <sip:c@d>']))
def test_known_and_unknown_refreshes_are_answered_alike(expires: int | None, name: str) -> None:
    """The first, the second, and one that shares nothing with the one before."""
    with Stage.opened() as stage, pytest.MonkeyPatch.context() as patched:
        stage.changes("alice", display_name=name)
        stage.pulls()
        (alice,) = stage.sign_in("alice")
        once = alice.sip.register(expires=expires).request.edited(drop=["Via", "User-Agent", "Authorization"])
        numbers = iter(range(100, 110))

        def refreshed() -> tuple[object, ...]:
            return alike(alice.sip.ask(once.edited(put=[("CSeq", f"{next(numbers)} REGISTER")])).answer)

        first = refreshed()
        assert first[0] == 200
        assert refreshed() == first
        assert refreshed() == first
        patched.setattr(shared, "REGISTER", "nothing")
        assert refreshed() == first


@settings(max_examples=many(1_500))
@given(ADDRESSES, st.sampled_from([180, 200]))
@example('tag=; >" ;tag = z>', 200)
@example('"<sip:a@b>;tag=q" <sip:a@b>', 200)
def test_what_an_answer_knows_of_its_dialog_is_what_stands_in_it(to: str, status: int) -> None:
    """It is taken over from the request, however broken the address is; read anew, it is the same."""
    fields = [("Via", "SIP/2.0/TLS h;branch=z9hG4bK1"), ("From", "<sip:q@r>;tag=1"), ("To", to), ("Call-ID", "c")]
    request = Request("MESSAGE", "sip:a@b", Headers([*fields, ("CSeq", "1 MESSAGE")]))
    assert request.dialog_text[:3] == ("c", "sip:q@r", "1")
    answer = response_to(request, status, to_tag="new")
    assert answer.dialog_text == Response(answer.status, answer.phrase, answer.headers).dialog_text
