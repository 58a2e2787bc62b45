"""What a message says of itself."""

from lyncpy.workloads.tracing.model.glance import conference_in, glance
from tests.kit.traces import answer, request

FOCUS = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:AB12"


def test_a_request_says_who_asks_whom() -> None:
    """Both are people of it, and the one of From sends it."""
    said = glance(request("MESSAGE", "alice", "Bob").encode())
    assert said.people == {"sip:alice@example.com", "sip:bob@example.com"}
    assert said.sender == "sip:alice@example.com"
    assert (said.label, said.call_id, said.client) == ("MESSAGE", "c1", "UCCAPI/15.0")
    assert said.line == "MESSAGE sip:Bob@example.com, CSeq 1 MESSAGE"


def test_an_answer_says_why_it_is_no() -> None:
    """The reason of ms-diagnostics stands behind the status."""
    said = glance(answer(403, "Forbidden", "REGISTER", 'ms-diagnostics: 4005;reason="Not allowed"').encode())
    assert said.label == "403"
    assert said.line == "403 Forbidden to 1 REGISTER: 4005 Not allowed"
    assert glance(answer(200, "OK", "REGISTER").encode()).line == "200 OK to 1 REGISTER"


def test_a_conference_is_found_by_its_key_wherever_it_is_named() -> None:
    """Focus and MCU are two addresses of one conference."""
    said = glance(f"INVITE {FOCUS} SIP/2.0\r\nTo: <{FOCUS.replace('focus', 'chat')}>\r\n\r\n".encode())
    assert said.conferences == {"ab12"}
    assert conference_in(FOCUS + ";x=y") == "ab12"
    assert conference_in("sip:alice@example.com") == ""


def test_garbage_says_nothing_and_is_no_error() -> None:
    """A trace of an address shows also what is no SIP."""
    said = glance(b"\xff\xfe\r\nFrom: <<<\r\nno colon")
    assert said.people == frozenset()
    assert said.sender == ""
    assert said.label == "\\xff\\xfe"
    assert glance(b"SIP/2.0").label == "SIP/2.0"
