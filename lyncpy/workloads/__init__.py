"""What the server is for: ten packages on one plan; none imports another."""
