"""What a loader is: a function from a bundle's folder and settings to the function that answers a frame."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from incumbent.execution.bundles.answers import Named

Settings = Mapping[str, Any]
Predict = Callable[[Any], Named]
Open = Callable[[Path, Settings], Predict]
