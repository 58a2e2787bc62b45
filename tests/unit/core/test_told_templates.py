"""What nodes tell each other of messages that they send for each other's flows."""

import pytest

from lyncpy.contracts.names import NodeName
from lyncpy.core import told_templates
from lyncpy.core.remote_flows import MessageReader
from lyncpy.core.told_templates import TemplatesHeard, TemplatesTold
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.prepared import Prepared, Template

THERE = NodeName("there")


def template(call_id: str) -> Template:
    """What the messages of a dialog share."""
    names = ("From", "<sip:alice@example.com>;tag=1"), ("To", "<sip:bob@example.com>;tag=2")
    more = ("CSeq", "0 MESSAGE"), ("Call-ID", call_id), ("P-Asserted-Identity", "<sip:alice@example.com>")
    return Template(Request("MESSAGE", "sip:bob@example.com;opaque=user:epid:A;gruu", Headers((*names, *more))))


def test_the_same_message_leaves_at_the_other_side() -> None:
    """Byte for byte, and with all that whoever signs it wants to know; a template is told once."""
    told, heard = TemplatesTold(), TemplatesHeard()
    mine = template("c1")
    number, text = told.number(THERE, mine)
    request = MessageReader()(text)
    assert isinstance(request, Request)
    heard.put(THERE, number, request)
    theirs = heard.get(THERE, number)
    assert theirs is not None
    names = ("method", "status", "uri", "device", "dialog_text", "asserted", "expires")
    assert [getattr(theirs, name) for name in names] == [getattr(mine, name) for name in names]
    one, other = (Prepared(each, 12, b"hello", "Content-Type: text/plain\r\n", "Via: x") for each in (mine, theirs))
    assert one.encoded() == other.encoded()
    assert told.number(THERE, mine) == (number, b"")
    assert (len(told), len(heard)) == (1, 1)
    told.forget(THERE)
    assert told.number(THERE, mine) == (number, text)
    heard.forget(THERE)
    assert heard.get(THERE, number) is None
    assert heard.get(THERE, "0") is None


def test_of_too_many_the_one_used_longest_ago_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is another's by then; nothing is kept beyond the bound, on either side."""
    monkeypatch.setattr(told_templates, "TEMPLATES_MOST", 3)
    monkeypatch.setattr(told_templates, "LEAST", 3)
    told, heard = TemplatesTold(), TemplatesHeard()
    some = [template(f"c{number}") for number in range(4)]
    assert [told.number(THERE, one)[0] for one in some[:3]] == [0, 1, 2]
    assert told.number(THERE, some[0]) == (0, b"")
    number, text = told.number(THERE, some[3])
    assert number == 1
    assert b"c3" in text
    assert told.number(THERE, some[1])[0] == 2
    assert len(told) == 3
    request = MessageReader()(text)
    assert isinstance(request, Request)
    heard.put(THERE, 3, request)
    assert len(heard) == 0
