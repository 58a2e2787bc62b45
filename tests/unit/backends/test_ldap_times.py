"""Until when: what attributes say of the time of an account."""

from datetime import UTC, datetime

import pytest

from lyncpy.backends.ldap_times import UnreadableTime, deadline, deadlines
from lyncpy.contracts.directory import Moment
from tests.kit.directory import mapping_of

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
        ("lastday", b"20088", 20089 * DAY),
        ("lastday", b"0", DAY),
        ("lastday", b"-1", None),
        ("lastday", b"99998", 99999 * DAY),
        ("lastday", b"99999", None),
        ("lastday", b"2147483647", None),
        ("age", b"20261231235900Z", at(2026, 12, 31, 23, 59)),
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
        ("time", b"000001010000Z", 0.5),
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
    with pytest.raises(UnreadableTime, match='its attribute "x" cannot be read'):
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
    mapping = mapping_of("openldap")
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
        ("openldap", {"passwordexpirationtime": [b"19700101000000Z"]}),
        ("openldap", {"krbpasswordexpiration": [b"when?"]}),
        ("activedirectory", {"pwdlastset": [b"0"]}),
        ("openldap", {"shadowlastchange": [b"x"], "shadowmax": [b"90"]}),
        ("openldap", {"pwdchangedtime": [b"20200101000000Z"], "pwdmaxage": [b"soon"]}),
        ("activedirectory", {"msds-user-account-control-computed": [b"8388608"]}),
        ("activedirectory", {"msds-userpasswordexpired": [b"TRUE"]}),
        ("activedirectory", {"pwdlastset": [b"0"], "useraccountcontrol": [b"x"]}),
    ],
)
def test_the_presets_know_when_a_password_must_be_changed(preset: str, entry: dict[str, list[bytes]]) -> None:
    """Each directory says it in its own way."""
    mapping = mapping_of(preset, address=("mail",), disabled_when=())
    person = mapping.person({"mail": [b"a@example.com"], **entry}, DN)
    assert person.enabled
    assert person.must_change is not None and person.must_change.at == 0.0
    assert mapping.person({"mail": [b"a@example.com"]}, DN).must_change is None


def test_settings_say_otherwise() -> None:
    """An empty list looks at nothing."""
    mapping = mapping_of("openldap", since=(), until=(), must_change=())
    entry = {"mail": [b"a@example.com"], "accountexpires": [b"1"], "pwdreset": [b"TRUE"]}
    assert (mapping.person(entry, DN).until, mapping.person(entry, DN).must_change) == (None, None)
    mine = mapping_of("openldap", until=("leaves:days",), must_change=("mustDo=1",))
    person = mine.person({**entry, "leaves": [b"3"], "mustdo": [b"1"]}, DN)
    assert (person.until, person.must_change) == (Moment(3 * DAY, "leaves"), Moment(0.0, "mustDo=1"))


CHANGED = {"shadowlastchange": [b"20000"], "shadowmax": [b"90"]}
AGED = {"pwdchangedtime": [b"20260101000000Z"], "pwdmaxage": [b"86400"]}


@pytest.mark.parametrize(
    ("preset", "entry", "second"),
    [
        ("openldap", CHANGED, 20091 * DAY),
        ("openldap", {**CHANGED, "shadowmax": [b"0"]}, 20001 * DAY),
        ("openldap", {**CHANGED, "shadowmax": [b"-1"]}, None),
        ("openldap", {**CHANGED, "shadowmax": [b"99999"]}, None),
        ("openldap", {**CHANGED, "shadowmax": []}, None),
        ("openldap", {**CHANGED, "shadowlastchange": [b"-1"]}, None),
        ("openldap", AGED, at(2026, 1, 2)),
        ("openldap", {**AGED, "pwdmaxage": [b"0"]}, None),
        ("openldap", {**AGED, "pwdmaxage": []}, None),
        ("openldap", {**AGED, "pwdmaxage": [b"-5"]}, None),
        ("openldap", {**AGED, "pwdmaxage": [b"2147483647"]}, None),
        ("openldap", {**AGED, "pwdchangedtime": [b"19700101000000Z"]}, None),
        ("openldap", {**AGED, "pwdchangedtime": [b"000001010000Z"]}, 86400.5),
        ("openldap", {"krbpasswordexpiration": [b"20260301000000Z"]}, at(2026, 3)),
        ("openldap", {"krbpasswordexpiration": [b"19700101000000Z"]}, None),
        ("openldap", {"passwordexpirationtime": [b"20260301000000Z"]}, at(2026, 3)),
        ("activedirectory", {"msds-userpasswordexpirytimecomputed": [filetime(at(2026, 3))]}, at(2026, 3)),
        ("activedirectory", {"msds-userpasswordexpirytimecomputed": [b"0"]}, None),
        ("activedirectory", {"msds-userpasswordexpirytimecomputed": [str(NEVER).encode()]}, None),
        ("activedirectory", {"pwdlastset": [b"0"], "useraccountcontrol": [b"66048"]}, None),
        ("activedirectory", {"pwdlastset": [b"0"], "useraccountcontrol": [b"262656"]}, None),
        ("activedirectory", {"pwdlastset": [b"0"], "msds-userdontexpirepassword": [b"TRUE"]}, None),
        ("openldap", {"pwdlastset": [b"0"], "useraccountcontrol": [b"66048"]}, None),
        ("openldap", {"pwdlastset": [b"0"], "useraccountcontrol": [b"512"]}, 0.0),
    ],
)
def test_the_age_of_a_password_ends_it(preset: str, entry: dict[str, list[bytes]], second: float | None) -> None:
    """Each directory keeps the age, or the end, in its own way, and has its own way to say never."""
    mapping = mapping_of(preset, address=("mail",), disabled_when=())
    person = mapping.person({"mail": [b"a@example.com"], **entry}, DN)
    assert (person.enabled, person.until) == (True, None)
    assert (None if person.must_change is None else person.must_change.at) == second


@pytest.mark.parametrize(
    ("inactive", "day"), [(b"7", 20098), (b"0", 20091), (b"-1", None), (b"99999", None), (b"", None)]
)
def test_who_does_not_change_an_old_password_has_an_account_for_some_days_more(
    inactive: bytes, day: int | None
) -> None:
    """shadow(5): the inactivity period; a last change of 0 only demands a change."""
    mapping = mapping_of("openldap", address=("mail",), disabled_when=())
    entry = {"mail": [b"a@example.com"], **CHANGED, "shadowinactive": [inactive]}
    until = mapping.person(entry, DN).until
    assert (None if until is None else until.at) == (None if day is None else day * DAY)
    zero = mapping.person({**entry, "shadowlastchange": [b"0"]}, DN)
    assert zero.until is None
    assert zero.must_change == Moment(0.0, "shadowLastChange=0")


@pytest.mark.parametrize("value", [b"000001010000Z", b"00000101000000Z"])
def test_a_lock_without_a_time_is_an_administrators(value: bytes) -> None:
    """One with a time is what wrong passwords cause, and anybody could sign anybody out."""
    mapping = mapping_of("openldap")
    entry = {"mail": [b"a@example.com"], "pwdaccountlockedtime": [value]}
    assert not mapping.person(entry, DN).enabled
    assert mapping.person({**entry, "pwdaccountlockedtime": [b"20260101000000Z"]}, DN).enabled


def test_settings_name_who_need_not_change_a_password() -> None:
    """An empty list exempts nobody."""
    entry = {"mail": [b"a@example.com"], "pwdlastset": [b"0"], "useraccountcontrol": [b"66048"], "robot": [b"1"]}
    for unless, must in (((), True), (("robot=1",), False), (None, False)):
        mapping = mapping_of("openldap", must_change_unless=unless)
        assert (mapping.person(entry, DN).must_change is not None) is must
