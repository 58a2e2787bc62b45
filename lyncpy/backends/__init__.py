"""The cellars: what keeps the promises of storage, bus, directory and meter.

- `memory`: records, journals and the bus in this process;
- `sql`: records, journals and call detail in a database, durable when acknowledged;
- `retention`: what is taken out again when its time is over;
- `sealing`: secrets at rest;
- `ldap`, `people`: where users come from;
- `openmetrics`: counters and gauges for Prometheus.

Blocking calls are made in threads of their own; the reactor is an argument. Nothing here
knows SIP, and nobody but `app/` imports these modules.
"""
