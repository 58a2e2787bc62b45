`lyncpy store copy` survives a lost connection, and after an interruption goes on where it was when the command is given again. Until it has ended no server starts on the half that is there.
