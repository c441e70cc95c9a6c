"""From a request's shape to a batch of columns and back. Later issues add routes, rollouts and the validated domain."""
