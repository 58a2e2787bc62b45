"""Sign-in: REGISTER, bindings, GRUUs, forced sign-out.

Specification: [MS-SIPREGE], [MS-SIPRE]. Routes: REGISTER, OPTIONS to the server.
Diagnostics: 4000-4999. It owns the table of endpoints and keeps `ILocator`.
"""
