"""The bodies of conferencing: C3P requests and responses, conference-info documents, and the page of a meeting link."""
