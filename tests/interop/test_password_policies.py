"""The password policies of a real OpenLDAP server with its overlay ppolicy: ages, demands and an administrator's locks."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from lyncpy.contracts.directory import Moment, Person, judged
from lyncpy.contracts.names import aor_of
from tests.kit.office import Office, OpenOffice
from tests.kit.slapd import PEOPLE, SLAPD, SUFFIX, Slapd

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not SLAPD.exists(), reason="slapd is not installed")]

POLICIES = f"ou=policies,{SUFFIX}"
DEFAULT, SHORT = f"cn=default,{POLICIES}", f"cn=short,{POLICIES}"
DAY_S = 86400


class Strict(Slapd):
    """A server with the overlay."""

    def _write(self, size_limit: str, names: Sequence[str]) -> None:
        super()._write(size_limit, names)
        path = self.folder / "slapd.conf"
        text = path.read_text().replace("moduleload back_mdb", "moduleload back_mdb\nmoduleload ppolicy")
        hidden = f'access to dn.exact="cn=hidden,{POLICIES}" by * none\naccess to * by * read'
        text = text.replace("access to * by * read", hidden)
        path.write_text(f'{text}overlay ppolicy\nppolicy_default "{DEFAULT}"\n')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One server, with people under a default policy, under one of their own, and under one that nobody may read."""
    with Strict(tmp_path_factory.mktemp("ppolicy")) as slapd:
        slapd.do("add", POLICIES, attributes={"objectClass": "organizationalUnit"})
        for name, age in (("default", 90 * DAY_S), ("short", DAY_S), ("hidden", 60)):
            fields = {"objectClass": ["device", "pwdPolicy"], "pwdAttribute": "userPassword", "pwdMaxAge": str(age)}
            slapd.do("add", f"cn={name},{POLICIES}", attributes={**fields, "pwdMustChange": "TRUE"})
        for uid in ("alice", "bob", "carol", "dave"):
            slapd.add(uid, userPassword="secret of mine")
        slapd.modify(f"uid=bob,{PEOPLE}", pwdPolicySubentry=SHORT)
        slapd.modify(f"uid=carol,{PEOPLE}", pwdPolicySubentry=f"cn=hidden,{POLICIES}")
        yield slapd


@pytest.fixture
def office(server: Slapd, opened: OpenOffice) -> Office:
    """Pulls that know the default, which the server tells nobody."""
    return opened(server, bases=[PEOPLE], password_policy=DEFAULT)


def changed_at(server: Slapd, uid: str) -> float:
    """Give when the server says that a password was changed."""
    (value,) = server.read(f"uid={uid},{PEOPLE}", "pwdChangedTime")["pwdChangedTime"]
    return datetime.strptime(value.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def known(office: Office, uid: str) -> Person:
    """Give somebody as the last pull left them."""
    person = office.people.person(aor_of(f"{uid}@example.com"))
    assert person is not None
    return person


def test_passwords_end_by_the_policy_that_each_is_under(server: Slapd, office: Office) -> None:
    """Their own, or the default; a policy that cannot be read ends nobody's and is named, once."""
    outcome = office.pull()
    by = "pwdChangedTime+pwdMaxAge"
    alice, bob = changed_at(server, "alice"), changed_at(server, "bob")
    assert known(office, "alice").must_change == Moment(alice + 90 * DAY_S, by)
    assert known(office, "bob").must_change == Moment(bob + DAY_S, by)
    assert known(office, "bob").may_stay
    assert not judged(known(office, "bob"), bob + DAY_S).may_stay
    assert known(office, "carol").must_change is None
    assert [one.source for one in outcome.changes.skipped] == [f"cn=hidden,{POLICIES}"]


def test_a_policy_that_is_changed_counts_with_the_next_pull(server: Slapd, office: Office) -> None:
    """Though no entry of a person changes; and then increments go on."""
    office.pull()
    server.modify(SHORT, pwdMaxAge=str(2 * DAY_S))
    assert office.pull().complete
    assert known(office, "bob").must_change == Moment(changed_at(server, "bob") + 2 * DAY_S, "pwdChangedTime+pwdMaxAge")
    assert not office.pull().complete


def test_what_an_administrator_demands_counts(server: Slapd, office: Office) -> None:
    """A password that they have set is to be changed; an account that they have locked is disabled."""
    office.pull()
    server.modify(f"uid=dave,{PEOPLE}", pwdReset="TRUE")
    server.modify(f"uid=alice,{PEOPLE}", pwdAccountLockedTime="000001010000Z")
    office.pull()
    assert known(office, "dave").must_change == Moment(0.0, "pwdReset=TRUE")
    assert known(office, "dave").enabled
    assert not known(office, "alice").enabled
