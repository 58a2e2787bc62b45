Where servers have names of their own (`[pool] name`), a user's devices are brought together at one of them by `301` as Lync does, and a server that is full or leaves names another.
