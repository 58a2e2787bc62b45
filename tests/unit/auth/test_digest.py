"""Digest: the sums of the RFCs and of Lync, and what an answer to a challenge is worth."""

from dataclasses import replace

import pytest

from lyncpy.auth.digest import CHALLENGES_PER_FLOW, DigestCredentials, DigestProof, answer, read_credentials
from lyncpy.contracts.guests import GuestAccess, Proof
from lyncpy.contracts.names import FlowName
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Headers, Request

FOCUS = "sip:bob@contoso.com;gruu;opaque=app:conf:focus:id:854T0R7G"
DOOR = GuestAccess("sip:bob@contoso.com/854t0r7g", "bob@contoso.com", ("Key12345",))
FLOW = FlowName("n/1")

# RFC 2617 §3.5.
MUFASA = DigestCredentials(
    "Mufasa",
    "testrealm@host.com",
    "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "/dir/index.html",
    "",
    "0a4f113b",
    "00000001",
    session=False,
)
# draft-smith-sipping-auth-examples-01 §3.3 and §3.4.
BOB = replace(MUFASA, username="bob", realm="biloxi.com", uri="sip:bob@biloxi.com")


@pytest.mark.parametrize(
    ("credentials", "key", "method", "expected"),
    [
        (MUFASA, "Circle Of Life", "GET", "6629fae49393a05397450978507c4ef1"),
        (BOB, "zanzibar", "INVITE", "89eb0059246c02b2f6ee02c7961d5ea3"),
        (replace(BOB, session=True), "zanzibar", "INVITE", "e4e4ea61d186d07a92c9e1f6919902e9"),
    ],
)
def test_the_sums_are_those_of_the_examples(
    credentials: DigestCredentials, key: str, method: str, expected: str
) -> None:
    """MD5 by RFC 2617, MD5 and MD5-sess by the examples for SIP."""
    assert answer(credentials, key, method) == expected


class Caller:
    """A server's proof, and a client that answers it."""

    def __init__(self) -> None:
        self.proof = DigestProof(answer_s=60.0, lifetime_s=3600.0)
        self.given: dict[str, str] = {}
        self.count = 0

    def asked(self, door: GuestAccess = DOOR, flow: FlowName = FLOW, now: float = 0.0, *, stale: bool = False) -> None:
        """Be asked for a proof."""
        self.given = parse_auth(self.proof.challenge(flow, door, now, stale=stale))[1]
        self.count = 0

    def credentials(self, key: str = "Key12345", *, uri: str = FOCUS, cnonce: str = "c1", **how: str) -> str:
        """Answer the challenge."""
        self.count += 1
        algorithm = how.get("algorithm", "MD5-sess")
        mine = DigestCredentials(
            "guest",
            self.given["realm"],
            self.given["nonce"],
            uri,
            "",
            cnonce,
            f"{self.count:08x}",
            session=algorithm == "MD5-sess",
        )
        response = answer(mine, key, "INVITE", session_cnonce=how.get("first", ""))
        fields = {
            "username": '"guest"',
            "realm": f'"{mine.realm}"',
            "nonce": f'"{mine.nonce}"',
            "uri": f'"{uri}"',
            "response": f'"{response}"',
            "cnonce": f'"{cnonce}"',
            "nc": mine.nc,
            "qop": "auth",
            "algorithm": algorithm,
        }
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())

    def worth(
        self, credentials: str, *, door: GuestAccess = DOOR, flow: FlowName = FLOW, now: float = 1.0, uri: str = FOCUS
    ) -> Proof:
        """Say what credentials are worth with an INVITE."""
        return self.proof.check(flow, Request("INVITE", uri, Headers(())), credentials, door, now)


@pytest.fixture
def client() -> Caller:
    """A client that has been asked."""
    client = Caller()
    client.asked()
    return client


def test_a_challenge_has_the_form_of_lync(client: Caller) -> None:
    """Its realm is the organizer, its algorithm MD5-sess; only a stale one says so."""
    value = client.proof.challenge(FLOW, DOOR, 0.0)
    scheme, given = parse_auth(value)
    assert (scheme, sorted(given)) == ("Digest", ["algorithm", "nonce", "opaque", "qop", "realm"])
    assert (given["realm"], given["algorithm"], given["qop"]) == ("bob@contoso.com", "MD5-sess", "auth")
    assert parse_auth(client.proof.challenge(FLOW, DOOR, 0.0, stale=True))[1]["stale"] == "true"
    assert given["nonce"] != client.given["nonce"]


@pytest.mark.parametrize("algorithm", ["MD5-sess", "MD5"])
def test_the_key_is_proven(client: Caller, algorithm: str) -> None:
    """By the algorithm that is offered, or by the one that every client knows."""
    assert client.worth(client.credentials(algorithm=algorithm)) is Proof.PROVEN
    assert client.worth(client.credentials(algorithm=algorithm)) is Proof.PROVEN


def test_a_session_goes_on_with_its_first_client_nonce(client: Caller) -> None:
    """MD5-sess makes its key once; clients that make it anew each time are understood too."""
    assert client.worth(client.credentials(cnonce="c1")) is Proof.PROVEN
    assert client.worth(client.credentials(cnonce="c2", first="c1")) is Proof.PROVEN
    assert client.worth(client.credentials(cnonce="c3")) is Proof.PROVEN
    assert client.worth(client.credentials(cnonce="c4", first="c2")) is Proof.WRONG


def test_any_of_several_keys_will_do_and_only_that_one_from_then_on(client: Caller) -> None:
    """What was proven stays the key of the challenge, also when the conference has another."""
    several = replace(DOOR, keys=("other", "Key12345", ""))
    assert client.worth(client.credentials(), door=several) is Proof.PROVEN
    assert client.worth(client.credentials(), door=replace(DOOR, keys=("new",))) is Proof.PROVEN
    assert client.worth(client.credentials("new"), door=replace(DOOR, keys=("new",))) is Proof.WRONG


@pytest.mark.parametrize("keys", [("another",), ()])
def test_a_wrong_key_and_none_at_all_are_the_same(client: Caller, keys: tuple[str, ...]) -> None:
    """Nothing tells a conference that does not exist from one with another key."""
    assert client.worth(client.credentials(), door=replace(DOOR, keys=keys)) is Proof.WRONG
    assert client.worth(client.credentials(""), door=replace(DOOR, keys=keys)) is Proof.WRONG


def test_an_answer_counts_once(client: Caller) -> None:
    """Repeated credentials are stale, whoever repeats them; so is a wrong guess that is tried again."""
    used = client.credentials()
    assert [client.worth(used), client.worth(used)] == [Proof.PROVEN, Proof.STALE]
    guess = client.credentials("wrong")
    assert [client.worth(guess), client.worth(guess)] == [Proof.WRONG, Proof.STALE]


def test_a_challenge_is_for_one_connection_and_one_conference(client: Caller) -> None:
    """Elsewhere an answer is stale, right or wrong."""
    other = replace(DOOR, conference="sip:bob@contoso.com/another1")
    for key in ("Key12345", "wrong"):
        assert client.worth(client.credentials(key), flow=FlowName("n/2")) is Proof.STALE
        assert client.worth(client.credentials(key), door=other) is Proof.STALE


def test_a_challenge_ends(client: Caller) -> None:
    """It waits a minute for its first right answer, and is good for an hour from when it was made."""
    assert client.worth(client.credentials(), now=60.0) is Proof.STALE
    client.asked(now=100.0)
    assert client.worth(client.credentials(), now=159.0) is Proof.PROVEN
    assert client.worth(client.credentials(), now=3699.0) is Proof.PROVEN
    assert client.worth(client.credentials(), now=3700.0) is Proof.STALE


def test_a_forgotten_connection_has_no_challenges(client: Caller) -> None:
    """Its end is theirs; it may be forgotten twice."""
    client.proof.drop_challenges(FLOW)
    client.proof.drop_challenges(FLOW)
    assert client.worth(client.credentials()) is Proof.STALE


def test_the_challenges_of_a_connection_are_bounded(client: Caller) -> None:
    """The oldest that nobody has answered goes first; what is in use stays."""
    assert client.worth(client.credentials()) is Proof.PROVEN
    used = dict(client.given), client.count
    client.asked()
    unanswered = client.given
    for _ in range(CHALLENGES_PER_FLOW):
        client.asked()
    client.given, client.count = unanswered, 0
    assert client.worth(client.credentials()) is Proof.STALE
    client.given, client.count = used
    assert client.worth(client.credentials()) is Proof.PROVEN


def test_even_proven_challenges_are_bounded(client: Caller) -> None:
    """Who has proven as many as there may be loses the oldest."""
    first = client.given
    for _ in range(CHALLENGES_PER_FLOW):
        assert client.worth(client.credentials()) is Proof.PROVEN
        client.asked()
    client.given, client.count = first, 1
    assert client.worth(client.credentials()) is Proof.STALE


def test_it_must_be_about_this_request(client: Caller) -> None:
    """Another Request-URI or realm is no proof."""
    assert client.worth(client.credentials(uri="sip:bob@contoso.com")) is Proof.WRONG
    assert client.worth(client.credentials().replace('"bob@contoso.com"', '"alice@contoso.com"')) is Proof.WRONG


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Digest ", "NTLM "),
        ("Digest ", ""),
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=-0000001"),
        ("nc=00000001", "nc=00000001, nc=00000002"),
        ("algorithm=MD5-sess", "algorithm=SHA-256"),
        ('cnonce="c1"', 'x="c1"'),
        ('username="guest"', 'username="guest'),
        ('response="', 'response="é'),
    ],
)
def test_what_is_no_digest_is_no_proof(client: Caller, old: str, new: str) -> None:
    """Whatever is missing, doubled or of another scheme is refused without harm."""
    credentials = client.credentials()
    broken = credentials.replace(old, new)
    assert broken != credentials
    assert read_credentials(broken) is None
    assert client.worth(broken) is Proof.WRONG


def test_an_algorithm_that_is_not_named_is_md5(client: Caller) -> None:
    """RFC 2617 says so."""
    found = read_credentials(client.credentials().replace(", algorithm=MD5-sess", ""))
    assert found is not None
    assert not found.session
