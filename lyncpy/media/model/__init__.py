"""What server and media engine say to one another, without socket, thread or clock."""
