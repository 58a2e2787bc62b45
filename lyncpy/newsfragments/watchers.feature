Users are asked about people who begin to watch them ("Bob added you"): once, on every device, also when they were away,
until one device has an answer or the person is a contact. `[policies] prompted_subscribers` bounds how many may wait.
Delegates are set by clients and told to all devices, watchers can take and give back categories action by action, and
users of domains in `[presence] public_domains` see what users of public services may see.
