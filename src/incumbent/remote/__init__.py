"""A server's workspace, reached over /api/v1: what logs to it, and the verbs that it does."""
