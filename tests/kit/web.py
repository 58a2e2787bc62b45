"""The web services of a stage, and clients of them."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.defer import Deferred

from lyncpy.contracts.http import HttpAnswer, HttpAsked
from tests.kit.deployment import password_of
from tests.kit.enrollment import HeldTicket, WebAnswer, WebClient, bearer_header, key_request
from tests.kit.key_pairs import key_of
from tests.kit.stage import DOMAIN, Stage

SITE = "https://sip.example.com"
TICKETS = f"{SITE}/WebTicket/WebTicketService.svc"
CERTIFICATES = f"{SITE}/CertProv/CertProvisioningService.svc"
BOOK = f"{SITE}/GroupExpansion/Service.svc"
DISCOVERY = f"{SITE}/Autodiscover/AutodiscoverService.svc"
PHOTOS = f"{SITE}/abs/handler"
WEB = {"https_port": 443}


class Web:
    """The site of a stage, and clients of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.connection = "http/1"

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> WebAnswer:
        """Ask the site, past the socket."""
        parts = urlsplit(address)
        asked = HttpAsked(
            method,
            parts.hostname or "",
            parts.path,
            query=dict(parse_qsl(parts.query)),
            headers=headers,
            body=body,
            peer="192.0.2.1",
            connection=self.connection,
            is_secure=parts.scheme == "https",
        )
        answers: list[HttpAnswer] = []

        async def serve() -> None:
            answers.append(await self.stage.inside.site.serve(asked))

        _ = Deferred.fromCoroutine(serve())
        self.stage.settle()
        (answer,) = answers
        challenges = tuple(value for name, value in answer.headers if name == "WWW-Authenticate")
        found = {name.lower(): value for name, value in answer.headers} | {"content-type": answer.content_type}
        return WebAnswer(answer.status, found, answer.body, challenges)

    def client(self, user: str = "alice", password: str = "") -> WebClient:
        """Give the client of somebody, who is of example.com where no other domain is said."""
        return WebClient(self.send, address_of(user), password or password_of(user.partition("@")[0]))

    def ticket(self, user: str = "alice") -> HeldTicket:
        """Have somebody get a ticket for certificates, by way of all metadata."""
        client = self.client(user)
        place, issuer = client.port(CERTIFICATES, "CertProvisioningServiceWebTicketProof_SHA1")
        tickets, nobody = client.port(issuer, "WebTicketServiceWinNegotiate")
        assert nobody == ""
        return client.ticket(place, tickets)

    def book_ticket(self, user: str = "alice") -> HeldTicket:
        """Have somebody get a ticket for the address book and for groups, by way of all metadata."""
        client = self.client(user)
        place, issuer = client.port(BOOK, "AddressBookWebTicketBearer")
        assert place == f"{BOOK}/WebTicket_Bearer"
        return client.ticket(place, client.port(issuer, "WebTicketServiceWinNegotiate")[0])

    def ask_book(self, ticket: HeldTicket, body: str) -> WebAnswer:
        """Have the bearer of a ticket search, or ask about a group."""
        return self.client().post(f"{BOOK}/WebTicket_Bearer", bearer_header(ticket), body)

    def certify(self, user: str = "alice", ticket: HeldTicket | None = None, key: str = "", **how: str) -> WebAnswer:
        """Have somebody's key certified."""
        client = self.client(user)
        request = key_request(key_of(key or user), address_of(user))
        return client.ask_certificate(
            f"{CERTIFICATES}/WebTicket_Proof_SHA1", ticket or self.ticket(user), request, **how
        )

    def states(self, user: str = "alice") -> list[object]:
        """Give the states of somebody's certificates, as an operator sees them."""
        return [row[-1] for row in self.stage.command("user certificates", user=address_of(user)).rows]


def address_of(user: str) -> str:
    """Give somebody's address, without `sip:`."""
    return user if "@" in user else f"{user}@{DOMAIN}"
