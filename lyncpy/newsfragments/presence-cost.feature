A subscription to the presence of many people costs the server less than half of what it did: which access level decides for a watcher is found once for all watchers of a person whom no list names.
