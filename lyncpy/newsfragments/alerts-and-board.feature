Alert rules for Prometheus and a board for Grafana come with the server.
