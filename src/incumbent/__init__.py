"""Incumbent carries a model from raw data to a live, monitored, accountable asset.

Users write `import incumbent as inc`. A name is imported when it is first used, so that the import itself stays quick.
"""

import importlib

from incumbent.base.version import __version__

TYPE_CHECKING = False  # type checkers read this name as true; importing it from typing would cost more than all the rest
if TYPE_CHECKING:
    from incumbent.api import (
        archive,
        evaluate,
        live,
        plan_pipeline,
        promote,
        propose,
        register,
        reproduce,
        roll_back,
        run,
        run_pipeline,
        search_runs,
        sign_off,
        trace,
    )
    from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable
    from incumbent.bootstrap.models import open_bundle, pack_model
    from incumbent.gates.champion import Guardrail, champion_challenger
    from incumbent.pipeline import source
    from incumbent.pipeline.comparison import Tolerance
    from incumbent.pipeline.pipeline import Pipeline
    from incumbent.pipeline.stage import Stage, stage
    from incumbent.stats.psi import psi
    from incumbent.usecases.log_metric import log_metric
    from incumbent.usecases.pack_bundle import pack_bundle

_ERRORS = ("Conflict", "Corrupt", "IncumbentError", "InvalidInput", "NotFound", "Refused", "Unavailable")
_VERBS = (
    "archive", "evaluate", "live", "plan_pipeline", "promote", "propose", "register", "reproduce", "roll_back", "run", "run_pipeline",
    "search_runs", "sign_off", "trace",
)  # fmt: skip
_HOMES = {
    **dict.fromkeys(_ERRORS, "incumbent.base.errors"),
    **dict.fromkeys(_VERBS, "incumbent.api"),
    "Guardrail": "incumbent.gates.champion",
    "Pipeline": "incumbent.pipeline.pipeline",
    "Stage": "incumbent.pipeline.stage",
    "Tolerance": "incumbent.pipeline.comparison",
    "champion_challenger": "incumbent.gates.champion",
    "log_metric": "incumbent.usecases.log_metric",
    "open_bundle": "incumbent.bootstrap.models",
    "pack_bundle": "incumbent.usecases.pack_bundle",
    "pack_model": "incumbent.bootstrap.models",
    "psi": "incumbent.stats.psi",
    "source": "incumbent.pipeline.source",
    "stage": "incumbent.pipeline.stage",
}
"""Public name -> module that defines it."""

__all__ = [
    "Conflict", "Corrupt", "Guardrail", "IncumbentError", "InvalidInput", "NotFound", "Pipeline", "Refused", "Stage", "Tolerance",
    "Unavailable", "__version__", "archive", "champion_challenger", "evaluate", "live", "log_metric", "open_bundle", "pack_bundle",
    "pack_model", "plan_pipeline", "promote", "propose", "psi", "register", "reproduce", "roll_back", "run", "run_pipeline", "search_runs",
    "sign_off", "source", "stage", "trace",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'incumbent' has no attribute {name!r}")
    module = importlib.import_module(home)
    value: object = module if name == "source" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
