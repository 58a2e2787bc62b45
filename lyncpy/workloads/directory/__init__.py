"""Directory: who the people of this server are, and finding them.

Specification: [MS-ABS] and [MS-DLX]; of them there is now the search that a client makes
without an address book. It has no route of its own: the search is lent to contacts by
assembly. It owns the table of people and keeps `IPeople` and `ISecrets`; who needs to act
on a change listens to PersonChanged and SecretChanged.
"""
