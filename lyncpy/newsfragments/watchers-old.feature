Clients from before 2007 see presence instead of an error, as lists and as single subscriptions in the formats of their time, and are asked about new watchers.
