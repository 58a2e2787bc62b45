"""SIP itself: values and pure machines, without socket, thread or clock.

`message` holds requests and responses, `decoder` and `encoder` turn bytes into them and
back; `headers`, `uri`, `body`, `markup` and `sdp` read what they carry. `transaction`,
`dialog` and `subscription` are the state machines of RFC 3261 and RFC 6665.
"""
