Where a database file cannot be used because another program writes to it, as `lyncpy store copy` does, the sentence names that program; of a damaged file it names the last copy beside it.
