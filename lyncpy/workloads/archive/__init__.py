"""What was said, kept where policy demands it, so that nobody can remove or alter it unseen.

`model.py` has the chain and its rules, `keeper.py` writes it, `auditor.py` verifies it,
`reader.py` searches it, `bodies.py` turns conversations into mail and JSON. No routes:
whoever passes messages on calls `IArchive`. The lines are kept by an `ILedger`.
"""
