"""A user's contact list and its groups, the same on every device.

Specification: [MS-SIP] 2.2.4 and 3.7; a client reads the list by a subscription to
`vnd-microsoft-roaming-contacts` and changes it by SOAP in SERVICE requests to their own address.
`model` holds the rules, `lists` the one writer of each list; `fanout` tells every
device of the user what changed. `generated_groups` says which groups the directory generates and
where they go in a list; `list_refresh` updates the lists when the directory changes. The older event
`vnd-microsoft-roaming-ACL` is answered with an empty document. Diagnostics: 2001 to 2015.
"""
