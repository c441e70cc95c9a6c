"""The prediction log of one workspace folder: Arrow IPC stream segments, appended with group commit."""
