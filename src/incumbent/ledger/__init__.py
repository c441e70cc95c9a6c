"""The ledger: an RFC 9162 Merkle log of the exact bytes of every governance act."""
