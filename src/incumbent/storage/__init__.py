"""Where things are kept: the metadata store (SQLite, PostgreSQL) and the blob store (local disk, S3, memory)."""
