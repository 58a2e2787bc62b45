Who arranges their contacts makes many changes in a row: the list is read from the database for the first of them only.
