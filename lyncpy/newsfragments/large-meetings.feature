A meeting may have a thousand participants, by `[policies] meeting_size`. Changes of a large roster are gathered for longer,
in proportion to who watches it, and the answers of the participants' clients cost a third less.
