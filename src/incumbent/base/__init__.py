"""What every floor may use: digests, canonical bytes, errors. No I/O, no clock, no chance."""
