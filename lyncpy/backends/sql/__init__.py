"""IStore, IRecords and ILedger in an SQL database, in the words of SQLAlchemy Core.

- `tables`: the schema, as people query it;
- `database`: one database's life: opened, brought up to date, read, written (many writes in one commit), closed;
- `link`: the connection of one of its threads, the transactions on it, and whose fault a failure is;
- `prepared`: statements that are done all the time, written down once and executed by the driver itself;
- `files`: the SQLite file, its folder and its modes;
- `server`: the PostgreSQL server, how it is reached and trusted;
- `examination`: what its database has to be like, for a start and for `lyncpy check`;
- `dialects`: what one of the two says otherwise than the other, and what it means by its errors;
- `copying`, `unfinished`: all data copied from one to another, and the mark of a copy that has not ended;
- `upgrades`, `migrations`: from one version of the schema to the next;
- `store`, `records`, `ledger`: the three promises;
- `volatile`: records that several processes share, and that PostgreSQL keeps no log of.

SQLite is the database of a single process: one thread writes, one reads (WAL), and a write
is answered when it is on the disk. PostgreSQL is served by the same two threads, each with a connection of its own;
others may write there too, so each decision is made in the statement that writes, and where that is
not enough a lock is taken (`dialects.exclude_writers`, `FOR UPDATE`). The tables use no type that it lacks.
"""
