"""A real client without a screen: pidgin-sipe in libpurple, driven through ctypes.

`python -m tests.kit.purple` is one client with one account, in a process of its own. It
takes commands on standard input and tells events on standard output, each a line of JSON;
`tests.kit.purple_client` is the other end, which has it forked (`nursery`). The plug-in is the distribution's, unchanged.
Names are looked up in a table of the test's own, so that nothing leaves this machine.
"""
