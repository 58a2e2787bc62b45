"""What users notice when a node, a network, the database or the bus is lost: measured on real servers under load.

It is a part of the benchmark because it needs its clients and gives figures; `history` judges what they kept, and knows nothing of
servers.
"""
