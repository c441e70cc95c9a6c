"""Models, versions and slots. Simple in this release: what is registered, and what is live where."""
