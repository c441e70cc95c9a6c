"""Codecs: values to bytes that are the same on every run, and back. Importing this loads no numeric library."""
