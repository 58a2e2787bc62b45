"""Password policies that entries name."""

from collections.abc import Sequence

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_policies import POLICIES_MOST, PasswordPolicies

WANTED = {"pwdChangedTime": ("pwdMaxAge",)}
STRICT, LAX = "cn=Strict,dc=x", "cn=lax,dc=x"


class Shelf:
    """What policies there are; counts what is read."""

    def __init__(self, **ages: bytes) -> None:
        self.ages = ages
        self.read: list[str] = []

    def glimpse(self, dn: str, names: Sequence[str]) -> Raw | None:
        """Give a policy's age, if there is that policy."""
        self.read.append(dn)
        name = dn.partition(",")[0].partition("=")[2].lower()
        return {"pwdmaxage": [self.ages[name]] if self.ages[name] else []} if name in self.ages else None


def entry(policy: str = "", changed: bytes = b"20260101000000Z") -> Raw:
    """Give an entry."""
    return {"pwdchangedtime": [changed], "pwdpolicysubentry": [policy.encode()] if policy else []}


def test_an_entry_gets_the_age_of_its_own_policy_or_of_the_default() -> None:
    """Each is read once, however its DN is written; who has no password of that kind costs nothing."""
    shelf = Shelf(strict=b"60", lax=b"900")
    policies = PasswordPolicies(shelf.glimpse, WANTED, LAX)
    assert policies.completed(entry(STRICT))["pwdmaxage"] == (b"60",)
    assert policies.completed(entry("CN=strict, DC=x"))["pwdmaxage"] == (b"60",)
    assert policies.completed(entry())["pwdmaxage"] == (b"900",)
    nobody = {"pwdpolicysubentry": [b"cn=other,dc=x"]}
    assert policies.completed(nobody) is nobody
    assert shelf.read == [STRICT, LAX]
    assert policies.troubles() == ()


def test_without_a_policy_nothing_is_added() -> None:
    """No default, or one that says nothing of ages."""
    mine = entry()
    assert PasswordPolicies(Shelf().glimpse, WANTED, "").completed(mine) is mine
    assert PasswordPolicies(Shelf(lax=b"").glimpse, WANTED, LAX).completed(mine) is mine


def test_a_policy_that_cannot_be_read_is_named_once() -> None:
    """People under it are known, and the operator what to do."""
    policies = PasswordPolicies(Shelf().glimpse, WANTED, "")
    for _ in range(3):
        assert policies.completed(entry(STRICT)) == entry(STRICT)
    (trouble,) = policies.troubles()
    assert (trouble.source, trouble.keeps) == (STRICT, True)
    assert "let bind_dn read pwdMaxAge there" in trouble.reason


def test_a_policy_that_has_changed_is_seen() -> None:
    """No entry under it changes, but all that they are worth."""
    shelf = Shelf(strict=b"60")
    first = PasswordPolicies(shelf.glimpse, WANTED, "")
    first.completed(entry(STRICT))
    marks = first.marks()
    assert PasswordPolicies(shelf.glimpse, WANTED, "").are(marks)
    for ages in ({"strict": b"61"}, {"strict": b""}, {}):
        shelf.ages = ages
        again = PasswordPolicies(shelf.glimpse, WANTED, "")
        assert not again.are(marks)
    again.completed(entry(STRICT))
    assert PasswordPolicies(shelf.glimpse, WANTED, "").are(again.marks())


def test_there_is_an_end_to_the_policies_that_are_read() -> None:
    """A directory with one for each person does not make a pull of a thousand searches."""
    shelf = Shelf(**{f"p{number}": b"60" for number in range(POLICIES_MOST + 5)})
    policies = PasswordPolicies(shelf.glimpse, WANTED, "")
    for name in shelf.ages:
        policies.completed(entry(f"cn={name},dc=x"))
    assert len(shelf.read) == len(policies.marks()) == POLICIES_MOST
    assert [one.source for one in policies.troubles()] == ["password policies"]
