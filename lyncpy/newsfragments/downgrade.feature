`lyncpy downgrade` brings the database down to what the release before knows, with the data of today; an upgrade is tried on a copy of the database before, and changes nothing where that fails.
