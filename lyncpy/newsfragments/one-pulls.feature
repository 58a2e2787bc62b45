Of several servers on one database one pulls the directory, and another when that is dead; the others read in the database what it has found, within a second or two.
