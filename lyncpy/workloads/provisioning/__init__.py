"""What a client is told at sign-in: where services are, what it may do, how presence is published.

Specification: [MS-SIPREGE] 2.2.2 and 3.6. A client subscribes to `vnd-microsoft-provisioning-v2`
and names groups; it gets just those that somebody here provides, and an unknown one is no
error. `provisions.py` holds the groups that belong to nobody else, `grammar.py` the rules of
publication; every other workload offers its own part of a group beside its code. The
event of LCS 2005, `vnd-microsoft-provisioning`, is answered with the document of a user
without telephony.
"""
