"""Traces: what passes between the server and the devices of one user, address, call or conference, recorded for an operator.

Nothing is answered over SIP. While a trace runs, the wire tells of each message (`contracts/tapping.py`), the bus of changes of
state; `model` says what concerns a trace and how it is written down, drawn and exported; `recorder.py` fills the files, which
are in the home, readable by their owner alone, and gone after `[tracing] kept_s`.
"""
