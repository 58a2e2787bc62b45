"""Metadata documents: what a client reads to learn where a service is and whose tickets it takes.

They are WSDL 1.1 with WS-Policy 1.2 and WS-SecurityPolicy 1.2, as far as clients read them: the policy of each
port, and the port's address. What they say is what works.

Spec: [MS-OCAUTHWS] 1.5, 2.2.4. Client: a policy is found by the port's name with `_policy`, among the root's children.
"""

from dataclasses import dataclass
from typing import Final

from lyncpy.sip.markup import escape, quote_attr
from lyncpy.workloads.webservices.bodies.faults import ADDRESSING_NS, TRUST_NS, WSU_NS

_NAMESPACES: Final = {
    "wsdl": "http://schemas.xmlsoap.org/wsdl/",
    "soap": "http://schemas.xmlsoap.org/wsdl/soap/",
    "wsp": "http://schemas.xmlsoap.org/ws/2004/09/policy",
    "sp": "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
    "http": "http://schemas.microsoft.com/ws/06/2004/policy/http",
    "wsa10": ADDRESSING_NS,
    "wst": TRUST_NS,
    "wsu": WSU_NS,
}
_TRANSPORT: Final = (
    "<sp:TransportBinding><wsp:Policy><sp:TransportToken><wsp:Policy><sp:HttpsToken/></wsp:Policy></sp:TransportToken>"
    "<sp:AlgorithmSuite><wsp:Policy><sp:Basic256/></wsp:Policy></sp:AlgorithmSuite>"
    "<sp:Layout><wsp:Policy><sp:Lax/></wsp:Policy></sp:Layout><sp:IncludeTimestamp/></wsp:Policy></sp:TransportBinding>"
)
PASSWORDS: Final = "<http:NtlmAuthentication/>"
"""The policy of a port where passwords are proved over HTTP itself."""

SENT_PASSWORDS: Final = "<http:BasicAuthentication/>"
"""The policy of a port to which passwords are sent, within TLS."""


@dataclass(frozen=True, slots=True)
class MetadataPort:
    """One way to call a service."""

    name: str
    address: str
    policy: str
    """Its assertions, in XML with the prefixes of the document."""


@dataclass(frozen=True, slots=True)
class MetadataOperation:
    """One thing that a service does."""

    name: str
    action: str
    """Its SOAPAction."""


CERTIFICATE: Final = (
    f"{_TRANSPORT}<sp:EndorsingSupportingTokens><wsp:Policy><sp:X509Token"
    ' sp:IncludeToken="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702/IncludeToken/AlwaysToRecipient">'
    "<wsp:Policy><sp:WssX509V3Token10/></wsp:Policy></sp:X509Token></wsp:Policy></sp:EndorsingSupportingTokens>"
)
"""The policy of a port that takes the certificates that are issued here."""


def issued_token(issuer: str, *, with_key: bool) -> str:
    """Write the policy of a port that takes tickets.

    Args:
        issuer: The address of the service that gives them.
        with_key: Whether each request has to prove the ticket's key.
    """
    element, kind = ("Endorsing", "SymmetricKey") if with_key else ("Signed", "Bearer")
    return (
        f"{_TRANSPORT}<sp:{element}SupportingTokens><wsp:Policy><sp:IssuedToken"
        ' sp:IncludeToken="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702/IncludeToken/AlwaysToRecipient">'
        f"<sp:Issuer><wsa10:Address>{escape(issuer)}</wsa10:Address></sp:Issuer><sp:RequestSecurityTokenTemplate>"
        "<wst:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</wst:TokenType>"
        f"<wst:KeyType>{TRUST_NS}/{kind}</wst:KeyType></sp:RequestSecurityTokenTemplate>"
        f"</sp:IssuedToken></wsp:Policy></sp:{element}SupportingTokens>"
    )


def write_metadata(service: str, operations: tuple[MetadataOperation, ...], ports: tuple[MetadataPort, ...]) -> bytes:
    """Write the document of one service.

    Args:
        service: Its name.
        operations: What it does.
        ports: The ways to call it.
    """
    declared = "".join(f" xmlns:{prefix}={quote_attr(name)}" for prefix, name in _NAMESPACES.items())
    target = f"urn:lyncpy:{service}"
    policies = "".join(
        f'<wsp:Policy wsu:Id="{port.name}_policy"><wsp:ExactlyOne><wsp:All>{port.policy}</wsp:All></wsp:ExactlyOne></wsp:Policy>'
        for port in ports
    )
    kinds = "".join(f'<wsdl:message name="{one.name}{end}"/>' for one in operations for end in ("Request", "Response"))
    able = "".join(
        f'<wsdl:operation name="{one.name}"><wsdl:input message="tns:{one.name}Request"/>'
        f'<wsdl:output message="tns:{one.name}Response"/></wsdl:operation>'
        for one in operations
    )
    bound = "".join(
        f'<wsdl:operation name="{one.name}"><soap:operation soapAction={quote_attr(one.action)} style="document"/>'
        '<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>'
        "</wsdl:operation>"
        for one in operations
    )
    bindings = "".join(
        f'<wsdl:binding name="{port.name}" type="tns:I{service}"><wsp:PolicyReference URI="#{port.name}_policy"/>'
        f'<soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</wsdl:binding>'
        for port in ports
    )
    places = "".join(
        f'<wsdl:port name="{port.name}" binding="tns:{port.name}"><soap:address location={quote_attr(port.address)}/></wsdl:port>'
        for port in ports
    )
    return (
        f'<wsdl:definitions{declared} xmlns:tns="{target}" name="{service}" targetNamespace="{target}">'
        f'{policies}{kinds}<wsdl:portType name="I{service}">{able}</wsdl:portType>{bindings}'
        f'<wsdl:service name="{service}">{places}</wsdl:service></wsdl:definitions>'
    ).encode()
