Prometheus reads all meters from `/metrics` of the site with a token; `/healthz` and `/readyz` answer a load balancer without one.
