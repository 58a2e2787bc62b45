"""Directory: who the people of this server are.

Specification: [MS-ABS] and [MS-DLX] later; now the pull of people from a directory. It
answers nothing over SIP. It owns the table of people and keeps `IPeople` and `ISecrets`;
who needs to act on a change listens to PersonChanged and SecretChanged.
"""
