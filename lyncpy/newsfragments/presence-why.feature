The shell's `why USER as seen by WATCHER` explains in sentences what somebody is shown of a user: at which level and by
which list, made of which device's and calendar's publications, what hides it and what time will change. New words:
`presence containers`, `presence subscribers` and, for operators, `presence reset`; docs/presence.md tells the rest.
