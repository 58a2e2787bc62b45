`[directory] url` may name a whole domain: of its domain controllers the one that answered last is asked again as long as it does, and another when it is away, which costs one full reading.
