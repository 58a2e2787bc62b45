`lyncpy export` and `lyncpy import` write and take what people have (contacts, groups, access levels, delegates, conferences, and the policies) as JSON of a documented form, while the server runs.
