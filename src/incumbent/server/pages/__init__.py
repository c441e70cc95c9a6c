"""The pages: every one of them made on the server from a template, from what one use case returned."""
