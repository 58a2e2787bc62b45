The presence icon of a user can be shown on any web page: `/presence/<address>.svg` and `.json`, at the access level of
an anonymous reader, of a user with his password or of a program with a token. It is off until `[presence] web_readers`
says for whom; docs/web.md has examples.
