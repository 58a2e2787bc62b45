"""What the attributes of an LDAP entry mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from lyncpy.backends.ldap_conditions import condition
from lyncpy.backends.ldap_mapping import FIELDS, Mapped, mapped, source
from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.dn import place_of
from lyncpy.workloads.directory.settings import FACTS, Settings
from tests.kit.directory import mapping_of

DN = "uid=alice,dc=example,dc=com"


Value = str | bytes | Sequence[str | bytes]


def raw(**attributes: Value) -> Mapping[str, Sequence[bytes]]:
    """Give attributes as they come; `_` stands for `-`."""

    def values(one: Value) -> list[bytes]:
        several = [one] if isinstance(one, str | bytes) else one
        return [value.encode() if isinstance(value, str) else value for value in several]

    return {name.replace("_", "-").lower(): values(one) for name, one in attributes.items()}


def openldap(**how: Any) -> Mapped:
    """Give the preset with changes."""
    return mapping_of("openldap", address=how.pop("address", ()), attributes=how)


def test_a_template_joins_attributes() -> None:
    """A display name can be made of first and last name."""
    mapping = openldap(display_name=["{givenName} {sn}", "cn"])
    assert (
        mapping.person(raw(mail="a@example.com", givenName="Alice", sn="Liddell"), DN).display_name == "Alice Liddell"
    )
    assert mapping.person(raw(mail="a@example.com", sn="Liddell", cn="AL"), DN).display_name == "AL"


def test_whom_somebody_reports_to_is_the_place_of_an_entry() -> None:
    """However its DN is written."""
    mapping = openldap()
    written = raw(mail="a@example.com", manager="UID=Boss, ou=people,dc=example,dc=com")
    assert mapping.person(written, DN).manager == place_of("uid=boss,ou=people,dc=example,dc=com")
    assert mapping.person(raw(mail="a@example.com"), DN).manager == ""


@pytest.mark.parametrize(
    ("address", "attributes", "aor"),
    [
        ((), raw(msRTCSIP_PrimaryUserAddress="sip:a@example.com", mail="b@example.com"), "sip:a@example.com"),
        ((), raw(mail="b@example.com"), "sip:b@example.com"),
        (("sip:{uid}@{domain}",), raw(uid="c"), "sip:c@example.com"),
        (("sip:{givenName}.{sn}@example.com",), raw(givenName="Al", sn="Lid"), "sip:al.lid@example.com"),
        (("mail",), raw(mail=[b"x@other.example", b"d@example.com"]), "sip:d@example.com"),
    ],
)
def test_the_address_comes_from_where_the_setting_says(
    address: tuple[str, ...], attributes: Mapping[str, Sequence[bytes]], aor: str
) -> None:
    """An attribute, another one, or a template; of several values the one in our domain."""
    assert openldap(address=address).person(attributes, DN).aor == aor


def test_people_may_be_of_any_of_our_domains() -> None:
    """Of several addresses the first that is in one of them; those made of logins are in the first domain."""
    ours = ("example.com", "example.org")
    settings = Settings.model_validate({"preset": "openldap", "address": ["mail", "sip:{uid}@{domain}"]})
    mapping = mapped(settings, ours)
    for mails, aor in (
        ([b"x@other.example", b"d@example.org", b"d@example.com"], "sip:d@example.org"),
        ([], "sip:d@example.com"),
    ):
        assert mapping.person(raw(mail=mails, uid="d"), DN).aor == aor
    with pytest.raises(BadDirectoryEntry, match="in none of the domains"):
        mapping.person(raw(mail="x@other.example"), DN)


@pytest.mark.parametrize(
    ("preset", "attributes", "enabled"),
    [
        ("openldap", raw(), True),
        ("openldap", raw(msRTCSIP_UserEnabled="FALSE"), False),
        ("openldap", raw(msRTCSIP_UserEnabled="TRUE"), True),
        ("openldap", raw(pwdAccountLockedTime="000001010000Z"), False),
        ("openldap", raw(pwdAccountLockedTime="20240101000000Z"), True),
        ("activedirectory", raw(), False),
        ("activedirectory", raw(msRTCSIP_UserEnabled="TRUE", userAccountControl="512"), True),
        ("activedirectory", raw(msRTCSIP_UserEnabled="TRUE", userAccountControl="514"), False),
    ],
)
def test_who_is_disabled(preset: str, attributes: Mapping[str, Sequence[bytes]], enabled: bool) -> None:
    """Lync's own switch counts, and the account's."""
    entry = {**attributes, **raw(msRTCSIP_PrimaryUserAddress="sip:a@example.com")}
    assert mapping_of(preset).person(entry, DN).enabled is enabled


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a", True),
        ("!a", False),
        ("b", False),
        ("!b", True),
        ("a=5", True),
        ("a!=5", False),
        ("b!=5", True),
        ("a&4", True),
        ("a&2", False),
    ],
)
def test_conditions_are_what_they_look_like(text: str, holds: bool) -> None:
    """Presence, absence, equality and bits."""
    assert condition(text).holds({"a": [b"5"]}) is holds


@pytest.mark.parametrize("text", ["", "a b", "!a=1", "a&x", "=1"])
def test_a_condition_that_cannot_be_read_is_refused(text: str) -> None:
    """The start fails with the forms there are."""
    with pytest.raises(ValueError, match="not a condition"):
        condition(text)


@pytest.mark.parametrize("text", ["", "a b", "{a b}", "{a", "a}", "x{}y"])
def test_a_source_that_cannot_be_read_is_refused(text: str) -> None:
    """A typing mistake in a template is found before anybody is pulled."""
    with pytest.raises(ValueError, match="template"):
        source(text)


def test_an_unknown_fact_is_refused() -> None:
    """The settings know the same facts as the mapping does."""
    assert set(FACTS) == FIELDS
    with pytest.raises(ValueError, match='unknown fact "titel"'):
        openldap(titel=["title"])


def test_a_fact_can_be_switched_off() -> None:
    """An empty list keeps an attribute from being read at all."""
    mapping = openldap(title=[])
    assert "title" not in mapping.wanted()
    assert mapping.person(raw(mail="a@example.com", title="x"), DN).title == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"\x01" * 16, b"\x01" * 16), (b"AB" * 16, b"\xab" * 16), (b"NO PASSWORDXXXXXXXXXXXXXXXXXXXXX", None)],
)
def test_an_nt_hash_is_hexadecimal_or_raw(value: bytes, expected: bytes | None) -> None:
    """Samba's way of writing "none" is none."""
    assert openldap().person(raw(mail="a@example.com", sambaNTPassword=value), DN).nt_hash == expected


def test_an_nt_hash_that_cannot_be_read_is_never_quoted() -> None:
    """Somebody put a password there: it must not reach the log; the person is there without it."""
    reasons: list[str] = []
    found = openldap().person(raw(mail="a@example.com", sambaNTPassword="hunter2"), DN, reasons.append)
    assert (found.nt_hash, found.enabled) == (None, True)
    assert len(reasons) == 1
    assert "sambaNTPassword" in reasons[0] and "hunter2" not in reasons[0]


@pytest.mark.parametrize("value", ["!" + "AB" * 16, "*", "!", "{CRYPT}!x", "{SSHA}*", " !AB"])
def test_a_locked_hash_is_a_lock(value: str) -> None:
    """Locking tools write a mark before the hash: no password signs in, wherever it was set."""
    found = openldap().person(raw(mail="a@example.com", sambaNTPassword=value), DN)
    assert (found.nt_hash, found.enabled, found.barred) == (None, False, "sambaNTPassword is locked")


def test_of_several_hashes_one_that_can_be_read_counts_unless_one_is_locked() -> None:
    """An attribute may have more values than it should."""
    mapping = openldap()
    assert mapping.person(raw(mail="a@example.com", sambaNTPassword=["x", "AB" * 16]), DN).nt_hash == b"\xab" * 16
    assert not mapping.person(raw(mail="a@example.com", sambaNTPassword=["AB" * 16, "!" + "AB" * 16]), DN).enabled


@pytest.mark.parametrize(
    "fact", ["physicalDeliveryOfficeName", "telephoneNumber", "displayName", "uid", "title", "mobile"]
)
def test_a_side_fact_that_cannot_be_read_is_left_out_and_named(fact: str) -> None:
    """An office in an old encoding keeps nobody out."""
    reasons: list[str] = []
    found = openldap().person(raw(mail="a@example.com", cn="Ann", **{fact: [b"B\xfcro", b"ok"]}), DN, reasons.append)
    assert found.enabled
    assert set(reasons) == {f'its attribute "{fact}" cannot be read: it is not UTF-8 text'}


@pytest.mark.parametrize(
    "off",
    [
        {"msRTCSIP-UserEnabled": "FALSE"},
        {"msRTCSIP-UserEnabled": " false "},
        {"msRTCSIP-UserEnabled": ["TRUE", "FALSE"]},
        {"userAccountControl": "514"},
        {"userAccountControl": "what?"},
        {"pwdAccountLockedTime": "000001010000Z"},
        {"nsAccountLock": "true"},
        {"sambaAcctFlags": "[UD         ]"},
        {"accountExpires": "soon"},
        {"shadowExpire": b"\xff"},
    ],
)
@pytest.mark.parametrize("fact", ["sambaNTPassword", "physicalDeliveryOfficeName", "cn", "telephoneNumber", "uid"])
def test_what_takes_rights_away_counts_whatever_else_cannot_be_read(off: dict[str, Value], fact: str) -> None:
    """Also when it cannot be read itself."""
    entry: dict[str, Value] = {**off, fact: b"\xff\xfe", "mail": "a@example.com"}
    assert not openldap().person(raw(**entry), DN).enabled


def test_an_address_that_cannot_be_read_is_none() -> None:
    """It is not taken from the next attribute either: that would be somebody else's."""
    mapping = openldap()
    entry = raw(mail="a@example.com", **{"msRTCSIP-PrimaryUserAddress": b"sip:\xff@example.com"})
    with pytest.raises(
        BadDirectoryEntry, match='its address cannot be read: the attribute "msRTCSIP-PrimaryUserAddress"'
    ):
        mapping.person(entry, DN)
    with pytest.raises(BadDirectoryEntry) as caught:
        mapping.person(raw(mail="nonsense", **{"msRTCSIP-UserEnabled": "FALSE"}), DN)
    assert caught.value.barred == "msRTCSIP-UserEnabled=FALSE"
    both = raw(mail="x", **{"msRTCSIP-PrimaryUserAddress": [b"\xff", b"sip:A%2Bb@example.com"]})
    assert mapping.person(both, DN).aor == "sip:a+b@example.com"


@pytest.mark.parametrize("name", ["می\u200cخواهم", "ශ්\u200dරී", "\u200fשלום", "👩\u200d💻"])
def test_names_keep_the_joiners_that_they_are_written_with(name: str) -> None:
    """Only controls and changes of direction are taken out."""
    assert openldap().person(raw(mail="a@example.com", displayName=f"\u202e{name}\x07"), DN).display_name == name


def test_text_is_one_clean_line() -> None:
    """Line breaks and control characters of a directory do not reach clients."""
    assert openldap().person(raw(mail="a@example.com", title="a\nb\x07  c"), DN).title == "a b c"


def test_the_key_is_the_guid_else_the_dn() -> None:
    """A directory without a stable key is known by its DN."""
    mapping = openldap()
    assert mapping.key_of(raw(entryUUID="0123-AB"), DN) == "0123-ab"
    assert mapping.key_of(raw(), "UID=Alice,DC=x") == "uid=alice,dc=x"


def test_all_phones_and_logins_are_kept_once() -> None:
    """Several numbers of one kind are all shown; the same one twice is one."""
    entry = raw(mail="a@example.com", mobile=[b"1", b"2"], otherTelephone="3", ipPhone="3", uid=[b"a", b"b"])
    person = openldap().person(entry, DN)
    assert [(one.kind, one.number) for one in person.phones] == [("mobile", "1"), ("mobile", "2"), ("other", "3")]
    assert person.logins == ("a", "b")


def test_all_mail_addresses_are_kept() -> None:
    """ProxyAddresses has other kinds beside them."""
    proxies = ["SMTP:alice@example.com", "smtp:al@example.net", "X500:/o=Example", "sip:alice@example.com", "no"]
    person = openldap().person(raw(mail="alice@example.com", proxyAddresses=proxies), DN)
    assert person.other_mails == ("alice@example.com", "al@example.net")


def test_an_address_may_come_from_proxy_addresses() -> None:
    """Of these only what is for SIP."""
    mapping = openldap(address=("proxyAddresses",))
    proxies = ["smtp:x@example.com", "X400:C=DE", "SIP:Alice@example.com"]
    assert mapping.person(raw(proxyAddresses=proxies), DN).aor == "sip:alice@example.com"
    with pytest.raises(BadDirectoryEntry, match="no address"):
        mapping.person(raw(proxyAddresses="smtp:x@example.com"), DN)


@pytest.mark.parametrize("preset", ["openldap", "activedirectory"])
def test_who_is_kept_out_of_address_lists_is_hidden(preset: str) -> None:
    """As Exchange has it, unless a setting says otherwise."""
    given = raw(msRTCSIP_PrimaryUserAddress="sip:a@example.com", msExchHideFromAddressLists="TRUE")
    assert mapping_of(preset).person(given, DN).hidden
    assert not mapping_of(preset, hidden_when=[]).person(given, DN).hidden
    assert mapping_of(preset, hidden_when=["title=Ghost"]).person(raw(**{**ADDRESS, "title": "ghost"}), DN).hidden


ADDRESS: dict[str, Value] = {"msRTCSIP_PrimaryUserAddress": "sip:a@example.com"}


@pytest.mark.parametrize(
    ("preset", "attributes", "aor"),
    [
        ("activedirectory", raw(objectClass="contact", mail="Ann@fabrikam.test"), "sip:ann@fabrikam.test"),
        ("activedirectory", raw(objectClass="user", mail="ann@example.com"), "sip:ann@example.com"),
        (
            "activedirectory",
            raw(objectClass="contact", msRTCSIP_PrimaryUserAddress="sip:a@fabrikam.test", mail="b@example.com"),
            "sip:a@fabrikam.test",
        ),
        ("openldap", raw(mail="ann@fabrikam.test"), "sip:ann@fabrikam.test"),
        ("openldap", raw(objectClass="contact", mail="ann@example.com"), "sip:ann@example.com"),
    ],
)
def test_a_contact_is_there_to_be_found(preset: str, attributes: Mapping[str, Sequence[bytes]], aor: str) -> None:
    """Without an account here, with an address of any domain, if a setting says so."""
    person = mapping_of(preset, contact_filters=["(mail=*)"]).person(attributes, DN)
    assert (person.aor, person.is_contact, person.enabled) == (aor, True, False)
    assert person.barred


@pytest.mark.parametrize(
    ("preset", "attributes"),
    [
        ("activedirectory", raw(msRTCSIP_PrimaryUserAddress="sip:a@example.com", msRTCSIP_UserEnabled="TRUE")),
        ("activedirectory", raw(**ADDRESS, msRTCSIP_UserEnabled="TRUE", objectClass="contact")),
        ("openldap", raw(mail="a@example.com")),
    ],
)
def test_who_has_an_address_here_is_no_contact(preset: str, attributes: Mapping[str, Sequence[bytes]]) -> None:
    """Whatever filter they fit."""
    person = mapping_of(preset, contact_filters=["(mail=*)"]).person(attributes, DN)
    assert (person.aor, person.is_contact, person.enabled) == ("sip:a@example.com", False, True)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (raw(msRTCSIP_PrimaryUserAddress="sip:a@exampel.com", mail="a@example.com"), "is not in the domain"),
        (raw(objectClass="contact", mail="nobody"), "no address"),
        (raw(objectClass="contact"), "no address"),
    ],
)
def test_a_wrong_address_makes_no_contact(attributes: Mapping[str, Sequence[bytes]], reason: str) -> None:
    """A mistake is still named."""
    with pytest.raises(BadDirectoryEntry, match=reason):
        mapping_of("activedirectory", contact_filters=["(mail=*)"]).person(attributes, DN)
