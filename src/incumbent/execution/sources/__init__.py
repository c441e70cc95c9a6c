"""Capturing declared data sources: each kind is read, hashed and stored at one version (EQ V7.1's data_v)."""
