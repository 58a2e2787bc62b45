"""The bodies of presence: what clients ask, read; what they are told and what the store keeps, written."""
