"""What lies here is data: projects and sources that tests copy, read and run elsewhere."""

collect_ignore_glob = ["*.py", "*/*.py"]
