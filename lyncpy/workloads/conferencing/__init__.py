"""Conferences: for now, the focus factory's answer that there are none.

Specification: [MS-CONFPRO], [MS-CONFBAS]. A client that was told of a focus factory asks it
what kinds of conference there are, as soon as it has signed in. It is told the truth, that
no medium can be conferenced, so that it offers none; every other request of the conference
control protocol (C3P) gets the failure that the protocol has for it. Diagnostics: 3000 to 3999.
"""
