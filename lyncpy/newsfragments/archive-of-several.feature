The archive stays one chain when several servers write to it at the same moment; each write to PostgreSQL is one way there and back while nobody else writes.
