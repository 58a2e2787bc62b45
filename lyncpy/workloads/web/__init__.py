"""The HTTPS site: what every page and picture that workloads offer has in common.

`front` is the page at the bare address; `site` finds the resource that was asked for and finishes its answer; `readers` learns who
asks, from a password or a token; `settings` is `[web]`. What is shown belongs to the
workload that offers it: presence has its icons, conferencing its meeting pages. The socket
is in `wire/http.py`. Specification: RFC 9110, RFC 9111, RFC 7617, RFC 6750; fetch.spec.whatwg.org for
other sites' scripts.
"""
