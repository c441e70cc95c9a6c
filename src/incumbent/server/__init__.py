"""The HTTP face: bare ASGI, a table of routes, and every refusal a problem document."""
