"""IStore and IRecords in an SQL database, with SQLAlchemy Core.

- `tables`: the schema, as people query it;
- `database`: one database's life: opened, brought up to date, read, written (many writes in one commit), closed;
- `files`: the SQLite file, its folder and its modes;
- `upgrades`, `migrations`: from one version of the schema to the next;
- `store`, `records`: the two promises.

SQLite is the database of a single process: one thread writes, one reads (WAL), and a write
is answered when it is on the disk. The tables use no type that PostgreSQL lacks.
"""
