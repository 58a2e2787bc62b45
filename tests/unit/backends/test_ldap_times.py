"""Until when: what attributes say of the time of an account."""

from datetime import UTC, datetime

import pytest

from lyncpy.backends.ldap_mapping import mapped
from lyncpy.backends.ldap_times import Unreadable, deadline, deadlines
from lyncpy.contracts.directory import Moment

DN = "uid=alice,dc=x"
DAY = 86400.0
NEVER = 2**63 - 1


def at(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> float:
    """Give seconds since the epoch."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


def filetime(seconds: float) -> bytes:
    """Write a time as Active Directory does."""
    return str(int((seconds + 11_644_473_600) * 10_000_000)).encode()


@pytest.mark.parametrize(
    ("form", "value", "second"),
    [
        ("filetime", filetime(at(2026, 3, 1)), at(2026, 3, 1)),
        ("filetime", b"0", None),
        ("filetime", str(NEVER).encode(), None),
        ("filetime", str(NEVER - 1).encode(), None),  # the year 30828
        ("filetime", b"1", 0.5),
        ("filetime", b"-1", None),
        ("days", b"20088", 20088 * DAY),
        ("days", b"0", 0.0),
        ("days", b"1", DAY),
        ("days", b"-1", None),
        ("days", b"", None),
        ("days", b"99999999", None),
        ("seconds", b"1790000000", 1790000000.0),
        ("seconds", b"0", None),
        ("seconds", b"2147483647", None),
        ("seconds", b"-1", None),
        ("time", b"20261231235959Z", at(2026, 12, 31, 23, 59) + 59),
        ("time", b"202612312359Z", at(2026, 12, 31, 23, 59)),
        ("time", b"2026123123Z", at(2026, 12, 31, 23)),
        ("time", b"20261231235900.123Z", at(2026, 12, 31, 23, 59)),
        ("time", b"20270101003000+0100", at(2026, 12, 31, 23, 30)),
        ("time", b"20261231183000-0500", at(2026, 12, 31, 23, 30)),
        ("time", b"19700101000000Z", None),
        ("time", b"16010101000000.0Z", None),
        ("time", b"19691231235959Z", 0.5),
        ("time", b"19000101000000Z", 0.5),
    ],
)
def test_a_value_is_a_moment_or_never(form: str, value: bytes, second: float | None) -> None:
    """Each form has its own way to say never."""
    (rule,) = deadlines([f"x:{form}"])
    assert rule.moments({"x": [value]}) == ([] if second is None else [Moment(second, "x")])


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("filetime", b"soon"),
        ("filetime", b"1_0"),
        ("days", "١".encode()),
        ("seconds", b"1" * 30),
        ("time", b"2026"),
        ("time", b"20261331000000Z"),
        ("time", b"\xff"),
    ],
)
def test_a_value_of_another_form_is_told(form: str, value: bytes) -> None:
    """Whoever asks decides what that takes away."""
    (rule,) = deadlines([f"x:{form}"])
    with pytest.raises(Unreadable, match='its attribute "x" cannot be read'):
        rule.moments({"x": [value]})


def test_days_can_be_added() -> None:
    """shadow(5): a password ends so many days after it was changed, and an account some days later."""
    (rule,) = deadlines(["shadowLastChange+shadowMax+shadowInactive:days"])
    entry = {"shadowlastchange": [b"20000"], "shadowmax": [b"90"], "shadowinactive": [b"7"]}
    assert rule.moments(entry) == [Moment(20097 * DAY, "shadowLastChange+shadowMax+shadowInactive")]
    assert rule.moments({**entry, "shadowinactive": [b"-1"]}) == []
    assert rule.moments({**entry, "shadowinactive": []}) == []


@pytest.mark.parametrize("text", ["x", "x:hours", "x:", ":days", "x y:days"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    """A typing mistake in the settings is found before anybody is pulled."""
    with pytest.raises(ValueError, match=r"form|is not a time"):
        deadlines([text])


def test_a_password_that_was_changed_in_1970_has_to_be_changed_now() -> None:
    """Zero is never for the end of an account, and at once for a password."""
    rule = deadline("x:seconds", zero_is_never=False)
    assert rule is not None
    assert rule.moments({"x": [b"0"]}) == [Moment(0.0, "x")]


@pytest.mark.parametrize(
    ("attribute", "value", "until"),
    [
        ("accountExpires", filetime(at(2026, 3, 1)), at(2026, 3, 1)),
        ("shadowExpire", b"20000", 20000 * DAY),
        ("krbPrincipalExpiration", b"20260301000000Z", at(2026, 3, 1)),
        ("pwdEndTime", b"20260301000000Z", at(2026, 3, 1)),
        ("sambaKickoffTime", b"1700000000", 1700000000.0),
    ],
)
def test_the_preset_knows_the_usual_attributes(attribute: str, value: bytes, until: float) -> None:
    """The earliest of all that are there counts."""
    mapping = mapped("openldap", "example.com", (), {}, None)
    entry = {
        "mail": [b"a@example.com"],
        attribute.lower(): [value],
        "pwdendtime": [b"20990101000000Z", value] if attribute == "pwdEndTime" else [b"20990101000000Z"],
    }
    person = mapping.person(entry, DN)
    assert person.until == Moment(until, attribute)
    assert attribute in mapping.wanted()


@pytest.mark.parametrize(
    ("preset", "entry"),
    [
        ("openldap", {"pwdreset": [b"TRUE"]}),
        ("openldap", {"sambapwdmustchange": [b"0"]}),
        ("openldap", {"sambapwdlastset": [b"0"]}),
        ("openldap", {"shadowlastchange": [b"0"]}),
        ("openldap", {"pwdlastset": [b"0"]}),
        ("openldap", {"krbpasswordexpiration": [b"19700101000000Z"]}),
        ("openldap", {"krbpasswordexpiration": [b"when?"]}),
        ("activedirectory", {"pwdlastset": [b"0"]}),
        ("activedirectory", {"msds-user-account-control-computed": [b"8388608"]}),
    ],
)
def test_the_presets_know_when_a_password_must_be_changed(preset: str, entry: dict[str, list[bytes]]) -> None:
    """Each directory says it in its own way."""
    mapping = mapped(preset, "example.com", ("mail",), {}, ())
    person = mapping.person({"mail": [b"a@example.com"], **entry}, DN)
    assert person.enabled
    assert person.must_change is not None and person.must_change.at == 0.0
    assert mapping.person({"mail": [b"a@example.com"]}, DN).must_change is None


def test_settings_say_otherwise() -> None:
    """An empty list looks at nothing."""
    mapping = mapped("openldap", "example.com", (), {}, None, (), (), ())
    entry = {"mail": [b"a@example.com"], "accountexpires": [b"1"], "pwdreset": [b"TRUE"]}
    assert (mapping.person(entry, DN).until, mapping.person(entry, DN).must_change) == (None, None)
    mine = mapped("openldap", "example.com", (), {}, None, None, ["leaves:days"], ["mustDo=1"])
    person = mine.person({**entry, "leaves": [b"3"], "mustdo": [b"1"]}, DN)
    assert (person.until, person.must_change) == (Moment(3 * DAY, "leaves"), Moment(0.0, "mustDo=1"))
