"""The rules of telephony, pure."""
