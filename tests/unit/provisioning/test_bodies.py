"""What clients ask of provisioning, read: the same words once."""

import pytest

from lyncpy.sip.markup import Element, read_xml
from lyncpy.workloads.provisioning.bodies import REMEMBERED_BYTES, read_groups


@pytest.mark.parametrize(("length", "times"), [(1, 1), (REMEMBERED_BYTES, 3)])
def test_a_question_is_read_once_unless_it_is_long(monkeypatch: pytest.MonkeyPatch, length: int, times: int) -> None:
    """All devices of one kind of client ask in the same words; what is remembered is everybody's, and so is short."""
    read: list[bytes] = []

    def counted(data: bytes) -> Element:
        read.append(data)
        return read_xml(data)

    monkeypatch.setattr("lyncpy.workloads.provisioning.bodies.read_xml", counted)
    body = b'<list><provisioningGroup name="a"/>%b<provisioningGroup name="b"/></list>' % (b" " * length)
    assert [read_groups(body) for _ in range(3)] == [("a", "b")] * 3
    assert len(read) == times
