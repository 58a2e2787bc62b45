"""The program: run by the system's Python, which alone has GObject introspection. Nothing of the server imports it."""
