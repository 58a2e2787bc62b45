`[policies]` says what users may, for everybody and, in tables `[policies.NAME]`, for members of groups; it is taken up by `reload`, and `policy show` says which policy a user has and why.
