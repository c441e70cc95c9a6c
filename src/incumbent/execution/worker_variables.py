"""Environment variables that every worker runs under, and those that a recipe records because they change what code gives."""

import os

PLAIN_VARIABLES = ("TZ", "LC_ALL", "LC_NUMERIC", "LANG", "PYTHONOPTIMIZE", "PYTHONUTF8")
"""Variables that change what Python code gives, recorded by value."""

NATIVE_VARIABLES = (
    "OPENBLAS_CORETYPE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DYNAMIC", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
    "OMP_SCHEDULE", "OMP_DYNAMIC", "KMP_DETERMINISTIC_REDUCTION", "ARROW_USER_SIMD_LEVEL", "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS", "TF_DETERMINISTIC_OPS",
)  # fmt: skip
"""Variables that choose kernels or the order of sums, recorded by value when native code is reached."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip


INSIDE = "INCUMBENT_INSIDE"
"""Set in every process that imports a pipeline for us: a script that starts a run when it is imported must not do so there."""


def fixed_variables(threads: int | None) -> dict[str, str]:
    """Return the variables, by name, for workers with so many threads (None: as many as each library takes by itself).

    They must stand before the interpreter starts: the hash seed orders sets, and BLAS and Polars read their thread counts
    when they are loaded. cuBLAS is reproducible only with a fixed workspace.
    """
    fixed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":4096:8")}
    return fixed if threads is None else {**fixed, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


CHANGING_VARIABLES = frozenset(
    {*THREAD_VARIABLES, "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", INSIDE, "TMPDIR", "_", "OLDPWD", "SHLVL"}
)  # fmt: skip
"""No part of the digest of a whole environment: a worker has its own (and its key holds them), or a shell counts in them."""
