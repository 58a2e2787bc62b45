"""What a server's work costs: processor time for each operation, memory for each client.

`python -m bench` starts a real server, puts loads on it over TLS and prints what they cost
the server's process. See README.md for what each number means.
"""
