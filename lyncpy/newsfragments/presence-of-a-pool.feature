What a device publishes at one server is seen at all servers that share a database in PostgreSQL and a NATS server, also by
whoever looks later. When the database is away presence goes on at each server, and when it has lost what devices say they write it again.
