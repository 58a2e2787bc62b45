People sign in over SIP with the Kerberos ticket of their computer: `[auth] keytab` names the server's keys, and the extra `kerberos` brings the library.
