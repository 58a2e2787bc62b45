"""Identities as clients read them, and referrals within their bounds."""

from twisted.internet.task import Clock

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.core.asserted_identity import IDENTITIES_KEPT, REFERRALS_PER_USER, AssertedIdentity, asserted
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers
from tests.kit.hall import FewPeople
from tests.kit.holdings import held

ALICE = Aor("sip:alice@example.test")


def test_an_identity_is_written_as_clients_read_it() -> None:
    """Name and line stand in one header; a name cannot break it."""
    person = Person(ALICE, "k", display_name='Alice "A, B"\r\n', line="tel:+1555")
    assert asserted(person, ALICE) == "\"Alice 'A  B'\" <sip:alice@example.test>,<tel:+1555>"
    assert asserted(None, ALICE) == "<sip:alice@example.test>"


def test_an_identity_follows_the_directory() -> None:
    """It is written once, anew when the person is told of differently, and not kept without end."""
    known = [Person(Aor(f"sip:u{number}@example.test"), "k", display_name="One") for number in range(IDENTITIES_KEPT)]
    people = FewPeople([Person(ALICE, "k", display_name="Alice"), *known])
    assert people.person(ALICE) is people.people[0]
    vouching = AssertedIdentity(people, Timers(Clock(), lambda: 0.0))
    assert vouching.identity(ALICE) == vouching.identity(ALICE) == f'"Alice" <{ALICE}>'
    people.people[0] = Person(ALICE, "k", display_name="Alicia", line="tel:+1")
    assert vouching.identity(ALICE) == f'"Alicia" <{ALICE}>,<tel:+1>'
    del people.people[0]
    assert vouching.identity(ALICE) == f"<{ALICE}>"
    for person in known:
        assert vouching.identity(person.aor) == f'"One" <{person.aor}>'
    assert max(held(vouching).values()) <= IDENTITIES_KEPT


def test_referrals_have_a_bound() -> None:
    """Whoever refers everybody is not remembered without end, and what is remembered ends."""
    clock = Clock()
    vouching = AssertedIdentity(FewPeople([]), Timers(clock, lambda: 0.0))
    for number in range(REFERRALS_PER_USER + 10):
        vouching.referred(ALICE, Aor(f"sip:u{number}@example.test"))
    said = Headers([("Referred-By", f"<{ALICE}>")])
    assert not vouching.unbacked(said, Aor("sip:u0@example.test"))
    assert vouching.unbacked(said, Aor(f"sip:u{REFERRALS_PER_USER}@example.test"))
    clock.advance(301)
    assert held(vouching) == {}
    assert vouching.unbacked(said, Aor("sip:u0@example.test"))
