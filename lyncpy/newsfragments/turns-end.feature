What is sent after a durable write, or by a timer, leaves at the end of the same turn without a timer of its own, as do writes to many.
