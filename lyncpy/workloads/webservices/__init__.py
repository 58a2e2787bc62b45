"""The web services of sign-in, as Lync's clients look for them over HTTPS.

A client asks a service for its *metadata* (`bodies/metadata.py`), which names who gives tickets for it; it proves its
password there once and gets a *web ticket* (`ticket_service.py`, `model/tickets.py`); with that it has its key
certified (`certificate_service.py`, `model/certificates.py`) and is told where to sign in (`discovery_service.py`).
What was issued to whom is one record of each person (`issued.py`, `model/issued.py`).

Specification: [MS-OCAUTHWS], [MS-OCDISCWS], WS-Trust 1.3, WS-Security 1.0 with the SAML token profile, SAML 1.1,
XML Signature, RFC 2986.
"""
