"""Telephony: whose a number is, and whom it rings.

`numbers` finds the person behind a number that somebody dials; calls themselves pass as all requests between two people do
(`workloads/im`), which asks here.
"""
