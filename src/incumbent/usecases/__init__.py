"""What a user can do: one file a verb, each a plain function on a `Workspace` of ports, shared by every face."""
