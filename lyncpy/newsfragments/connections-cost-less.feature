A connection and the sign-in on it take less of the processor: options of sockets are set once for all of them, and what every request says is read in one go.
