Watchers of the domains in `[presence] public_domains` see what users of public services may see.
