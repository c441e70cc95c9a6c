"""What `incumbent --version` and `import incumbent` cost, beside the interpreter alone. Goals: 0.06 s and 0.10 s."""

import argparse
import sys
from pathlib import Path

from measure import describe_machine, measure, print_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rounds", type=int, default=21)
arguments = parser.parse_args()

python = sys.executable
incumbent = str(Path(python).with_name("incumbent"))
print(describe_machine())
figures = measure(
    {
        "python -c pass": [python, "-c", "pass"],
        "incumbent --version": [incumbent, "--version"],
        "import incumbent": [python, "-c", "import incumbent"],
        "import numpy (one heavy library)": [python, "-c", "import numpy"],
    },
    Path.cwd(),
    arguments.rounds,
)
print_table("Start-up, whole process", figures, "python -c pass")
