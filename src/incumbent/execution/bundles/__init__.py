"""Bundles without serving code: what packs a fitted model of a known library, and what opens it again in a model's process."""
