"""The pure model of presence: what a board is, what becomes of it, and what each audience sees of it. No I/O, no clock."""
