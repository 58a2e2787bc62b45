A Kerberos client that asks the server to prove itself gets that proof with the answer to its sign-in, over SIP as over HTTPS.
