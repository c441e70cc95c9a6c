"""Reads MLflow stores: a running server over HTTP, and an SQLite file with its artifact folder."""
