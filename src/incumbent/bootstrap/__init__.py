"""The composition root: the only place that chooses back ends. Each file imports only what its choice needs."""
