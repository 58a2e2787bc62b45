"""The bodies of presence: readers of what clients send, writers of what they receive and of what the store keeps."""
