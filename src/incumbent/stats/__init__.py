"""Statistics: arrays and counts in, numbers out. Each function names its source."""
