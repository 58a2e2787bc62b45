"""The doors: connections as the hall knows them, by name.

`listener` opens the ports, `tls` holds the certificate and the transport that encrypts,
`stream` turns bytes into messages and hands them to the hall, `flows` is the table of the
living connections and writes to them. Nothing here knows what a message means.
"""
