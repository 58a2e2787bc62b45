The bare address of the HTTPS site answers with a page that says what it is and where to sign in.
