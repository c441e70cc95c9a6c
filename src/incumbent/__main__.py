"""`python -m incumbent` is the command line."""

import sys

from incumbent.cli import main

sys.exit(main())
