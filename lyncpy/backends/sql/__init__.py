"""IStore and IRecords in an SQL database, with SQLAlchemy Core.

- `tables`: the schema, as people query it;
- `database`: one database's life: opened, brought up to date, closed;
- `files`: the SQLite file, its folder and its modes;
- `upgrades`, `migrations`: from one version of the schema to the next;
- `lanes`: jobs of the reactor done by threads, many in one commit;
- `store`, `records`: the two promises.

SQLite is the database of a single process: one thread writes, one reads (WAL), and a write
is answered when it is on the disk. The tables use no type that PostgreSQL lacks.
"""
