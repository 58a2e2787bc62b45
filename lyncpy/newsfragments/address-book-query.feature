Clients search for people over HTTPS when the site is open, as Lync's do, and find what they find over SIP; they are told so at sign-in, and that there are no address book files.
