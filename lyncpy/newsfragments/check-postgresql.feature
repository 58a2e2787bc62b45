`lyncpy check` asks the PostgreSQL server whatever a start asks of it, from certificate to privileges and another server's lock, and says what to do about each; a start that fails says it too.
