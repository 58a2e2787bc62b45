The web services take Kerberos tickets by HTTP Negotiate where the keytab has keys for HTTP, so that a client gets its certificate without a password.
