"""What goes on: connections and meters for operators, and the reports that clients send.

Specification: [MS-OCER] 3.1.4 (error reports), [MS-QoE] (quality reports). Routes: SERVICE
with a report. Reports are kept as they came, in the journal "client-reports".
"""
