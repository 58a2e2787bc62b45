"""The listeners: connections as the request pipeline knows them, by name.

`listener` opens the ports, `tls` holds the certificate and the transport that encrypts,
`stream` turns bytes into messages and hands them to the request pipeline, `flows` is the table of the
living connections and writes to them. Nothing here knows what a message means.
"""
