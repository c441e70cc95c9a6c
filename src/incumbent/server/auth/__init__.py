"""Who asks, and may they: what a request says of itself, before a route is asked."""
