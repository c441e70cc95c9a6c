"""Experiments and runs: what was tried, with what, and what happened."""
