A change of presence that a thousand watchers are told, and work that goes on when the database has answered, is done a millisecond or two at a time: messages are passed on in between.
