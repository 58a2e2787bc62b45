`lyncpy user passwd --file` sets the passwords of many people; for people whose password an LDAP server is asked about, `user passwd` sets a second one only with `--force`.
