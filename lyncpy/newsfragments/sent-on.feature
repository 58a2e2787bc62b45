With `[web] http_port = 80` clients that look for the server without TLS are sent to the HTTPS site, at whatever port it is; nothing else is answered there.
