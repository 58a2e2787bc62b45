"""Layouts: what depends on the names of header fields alone is found out once, and for a bounded number of them."""

import pytest

from lyncpy.sip import layout
from lyncpy.sip.layout import Edit, Layout, layout_of
from lyncpy.sip.message import Headers


def test_the_same_names_have_one_layout() -> None:
    """However the names were spelt."""
    one = Headers([("Via", "a"), ("f", "<sip:a@b>")])
    other = Headers([("VIA", "c"), ("From", "<sip:d@e>")])
    assert one.layout is other.layout
    assert one.layout.keys == ("via", "from")


def test_places_and_repeated_names() -> None:
    """The first place of each name counts."""
    found = layout_of(("via", "to", "via", "from"))
    assert found.places == {"via": 0, "to": 1, "from": 3}
    assert found.repeated == {"via"}


def test_an_edit_is_worked_out_once() -> None:
    """The second message that has the layout looks it up."""
    found, edit = layout_of(("via", "to", "route")), Edit(drop=("Route",), first=("Via",))
    assert found.edited(edit) is found.edited(edit)
    after, pick = found.edited(edit)
    assert after.keys == ("via", "via", "to")
    assert pick(["old", "to", "route", "new"]) == ("new", "old", "to")
    assert found.followed_by(after) is found.followed_by(after)


def test_what_strangers_invent_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of layouts, and of what follows from one."""
    monkeypatch.setattr(layout, "KEPT", 10)
    monkeypatch.setattr(layout, "EDITS", 3)
    first = layout_of(("x-first", "to"))
    for number in range(10):
        assert layout_of((f"x-{number}", "to")).keys == (f"x-{number}", "to")
    assert layout_of(("x-first", "to")) is not first, "nothing was forgotten"
    long = tuple(f"x-{number}" for number in range(layout.LONGEST + 1))
    assert layout_of(long) is not layout_of(long)
    one, edit, other = Layout(("via", "to")), Edit(last=("Route",)), Layout(("route",))
    edited, followed = one.edited(edit), one.followed_by(other)
    for number in range(3):
        name = f"x-{number}"
        assert one.edited(Edit(last=(name,)))[0].keys == ("via", "to", name)
        assert one.followed_by(Layout((name,))).keys == ("via", "to", name)
    assert one.edited(edit) is not edited, "no edit was forgotten"
    monkeypatch.setattr(layout, "KEPT", 0)
    layout_of(("x-last",))
    assert one.followed_by(other) is not followed, "nothing that followed was forgotten"
