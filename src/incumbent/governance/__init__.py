"""Governance: who may do what, how much is asked of whom, and what is still open."""
