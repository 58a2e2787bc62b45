A meeting may have a thousand participants, by `[policies] meeting_size`. Changes of a large roster are gathered for longer, in proportion to the number of its watchers.
