"""Our own REST API, /api/v1: one table of operations, from which the routes, the OpenAPI document and the reference page are made."""
