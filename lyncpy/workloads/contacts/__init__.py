"""The people a user keeps: their contact list and its groups, the same on every device.

Specification: [MS-SIP] 2.2.4 and 3.7; a client reads the list by a subscription to
`vnd-microsoft-roaming-contacts` and changes it by SOAP in SERVICE requests to their own address.
`model.py` holds the rules, `lists.py` the one writer of each list, `fanout.py` tells every
device of the user what changed. Groups that the directory makes: `generated_groups.py` says which,
and where they go in a list; `list_refresh.py` has lists follow them. The older event
`vnd-microsoft-roaming-ACL` is answered with an empty document. Diagnostics: 2001 to 2015.
"""
