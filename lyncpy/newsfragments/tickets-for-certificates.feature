A client that has a certificate of this server gets web tickets with it, and is not asked for the password.
