`[sip] relays` names relays in front of the server: they tell each client's true address with a PROXY header (version 1 or 2), for SIP and HTTPS, and are exempt from the bounds for one address.
