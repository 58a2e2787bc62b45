Telling a watcher of a change of presence costs little more than half of the processor time that it did. A client that
does not read is no longer disconnected because of presence: what it misses is not kept, and it is told the latest state
of everybody when it reads again.
