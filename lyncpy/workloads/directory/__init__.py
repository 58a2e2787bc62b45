"""Directory: who the people of this server are, and finding them.

Specification: [MS-ABS] and [MS-DLX]; of them there is now the search that a client makes
without an address book. It has no route of its own: the search is lent to contacts by
assembly. It owns the tables of people and groups, says whose policy is which, and keeps
`IPeople`, `IGroups`, `IPolicies` and `ISecrets`; who needs to act on a change listens to
PersonChanged, GroupsChanged, PoliciesChanged and SecretChanged.
"""
