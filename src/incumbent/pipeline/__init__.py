"""Pipelines: typed stages, how they are wired, what keys them, what would rerun and why."""
