"""The gate policy of a model that has none: the version is loaded as it would be served, and answers its own example, twice the same."""

from incumbent.gates.policy import parse_policy

BUILTIN_POLICY = parse_policy('format = 1\n[tests]\nrequired = ["serves"]\n')
"""It says nothing of what better means, so it lets nothing take the place of a champion."""
