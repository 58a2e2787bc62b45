"""The pure model of instant messages: a session between two users, and the chat of a conference."""
