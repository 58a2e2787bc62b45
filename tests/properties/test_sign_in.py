"""With `tell_unknown_users = false` nothing that a guesser may try tells names that exist from invented ones."""

import re
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.refusal import Refused
from lyncpy.core.settings import Settings
from tests.kit.gatehouse import (
    WALL,
    RecordedFlows,
    TablePeople,
    TableSecrets,
    gate_of,
    request_of,
    signins_of,
    timers_of,
)
from tests.kit.meters import MemoryMeter
from tests.kit.ntlm_client import NtlmClient, challenge_of
from tests.kit.results import result_of

NAMES: Final = tuple(f"name{n}" for n in range(4))
PLACES: Final = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
INSIDER: Final = Aor("sip:insider@contoso.test")
_RANDOM: Final = re.compile(r'(gssapi-data|opaque|nonce)="[^"]*"|^To:.*')

Answer = tuple[int, tuple[str, ...]]


class World:
    """A gate before which somebody guesses. In one world the names exist, in the other they do not."""

    def __init__(self, *, real: bool) -> None:
        self.clock = Clock()
        people = [Person(INSIDER, "0")]
        hashes = {str(INSIDER): nt_hash("right")}
        if real:
            for n, name in enumerate(NAMES):
                person = Person(
                    Aor(f"sip:{name}@contoso.test"), name, logins=(f"corp\\login{n}", f"login{n}", name), enabled=n != 1
                )
                people.append(person)
                if n != 2:  # one has no password
                    hashes[person.aor] = nt_hash("secret")
        table, timers, meter = TablePeople(*people), timers_of(self.clock), MemoryMeter()
        rules = AuthSettings(tell_unknown_users=False, tries_per_user=2, tries_per_address=6)
        ntlm = NtlmAuthenticator(table, TableSecrets(hashes), rules, "fe1.contoso.test", "contoso.test", timers, None)
        signins = signins_of(table, rules, meter, timers)
        self.gate = gate_of([ntlm], signins, RecordedFlows(), meter, Settings(), timers)
        for person in people[1:3]:
            # They have signed in from there, with devices of their own.
            signins.tries.places.learn(person.key, PLACES[0], "theirs")
        self.flows = 0

    def asks(self, aor: str, login: str, password: str, place: str, epid: str) -> Sequence[Answer]:
        """Somebody tries to sign in, on a new connection; what they see of it."""
        self.flows += 1
        flow = FlowName(f"n/{self.flows}")
        self.gate.opened(flow, place, secure=True)
        client = NtlmClient(login, password, wall=lambda: WALL + self.clock.seconds())
        seen: list[Answer] = []
        challenge = ""
        for number in (1, 2, 3):
            request = request_of(aor, "REGISTER", number=number, epid=epid)
            if challenge:
                request = client.answer(request, challenge)
            try:
                result_of(self.gate.admit(Arrival(request, flow, place, self.clock.seconds())))
            except Refused as refused:
                response = refused.response(request)
                seen.append((response.status, tuple(_RANDOM.sub("", line) for line in response.headers.lines)))
                if response.status != 401:
                    break
                challenge = challenge_of(response)
            else:
                seen.append((200, ()))
                break
        self.gate.closed(flow)
        return seen


_LOGINS: Final = (
    *NAMES,
    *(f"{name}@contoso.test" for name in NAMES),
    *(f"login{n}" for n in range(4)),
    *(f"CORP\\login{n}" for n in range(4)),
    "nobody",
)
_TRIES: Final = st.tuples(
    st.sampled_from([*NAMES, "insider"]).map(lambda name: f"sip:{name}@contoso.test"),
    st.one_of(st.tuples(st.sampled_from(_LOGINS), st.just("guess")), st.just(("insider@contoso.test", "right"))),
    st.sampled_from(PLACES),
    st.sampled_from(["", "e1", "e2"]),
)


def _own(number: int) -> st.SearchStrategy[tuple[str, tuple[str, str], str, str]]:
    """One name under its own address, as a program that goes through a list of names tries it."""
    name = NAMES[number]
    login = st.sampled_from([name, f"{name}@contoso.test", f"CORP\\login{number}"])
    return st.tuples(
        st.just(f"sip:{name}@contoso.test"),
        st.tuples(login, st.just("guess")),
        st.sampled_from(PLACES),
        st.sampled_from(["", "e1"]),
    )


@given(
    st.lists(
        st.tuples(st.one_of(_TRIES, *map(_own, range(4))), st.sampled_from([0.0, 0.0, 0.0, 10.0, 61.0, 400.0])),
        min_size=1,
        max_size=40,
    )
)
def test_the_same_script_hears_the_same_of_real_names_and_invented_ones(
    script: list[tuple[tuple[str, tuple[str, str], str, str], float]],
) -> None:
    """Status, headers and waits are the same, whatever is tried, under whose address, with whose login, from where."""
    real, invented = World(real=True), World(real=False)
    for (aor, (login, password), place, epid), pause_s in script:
        heard = [world.asks(aor, login, password, place, epid) for world in (real, invented)]
        assert heard[0] == heard[1]
        for world in (real, invented):
            world.clock.advance(pause_s)


@pytest.mark.parametrize("login", ["{}", "{}@contoso.test", "CORP\\{}", "nobody"])
def test_a_list_of_names_cannot_be_sorted_at_an_address_over_its_bound(login: str) -> None:
    """Fifty names from one address and each of them again; one of them has signed in from there before."""
    real, invented = World(real=True), World(real=False)
    heard: list[list[Sequence[Answer]]] = [[], []]
    for _ in range(4):
        for name in (*NAMES, *(f"x{n}" for n in range(50))):
            for world, answers in zip((real, invented), heard, strict=True):
                answers.append(world.asks(f"sip:{name}@contoso.test", login.format(name), "guess", PLACES[0], "e1"))
    assert heard[0] == heard[1]
    assert {status for answers in heard[0] for status, _ in answers} == {401, 503}


@given(st.lists(st.tuples(_TRIES, st.sampled_from([0.0, 1.0, 40.0])), max_size=40), st.sampled_from(PLACES))
def test_whoever_comes_for_the_first_time_is_let_in_beside_a_guesser(
    script: list[tuple[tuple[str, tuple[str, str], str, str], float]], place: str
) -> None:
    """At the same address, whatever is guessed there of others and however many names are invented."""
    world = World(real=True)
    for n in range(20):
        world.asks(f"sip:invented{n}@contoso.test", f"invented{n}", "guess", place, "e1")
        world.asks(f"sip:{NAMES[n % 3]}@contoso.test", NAMES[n % 3], "guess", place, "e1")
    for (aor, (login, password), where, epid), pause_s in script:
        if NAMES[3] not in aor:
            world.asks(aor, login, password, where, epid)
        world.clock.advance(pause_s)
    assert world.asks(f"sip:{NAMES[3]}@contoso.test", NAMES[3], "secret", place, "new")[-1][0] == 200
