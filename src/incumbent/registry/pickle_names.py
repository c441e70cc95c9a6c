"""What a name that a pickle imports means for whoever loads it: our own table, never one that travels with a model.

Safe means: importing it, calling it with any arguments and setting the state of what comes back builds a value and does nothing
else. Only exact names and the classes of listed scikit-learn packages are safe; a name that is on no list is unknown.
"""

import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Literal

Risk = Literal["safe", "unknown", "dangerous"]

_SAFE: dict[str, str] = {
    "__builtin__": "bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple unicode xrange",
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "copy_reg": "_reconstructor __newobj__",
    "copyreg": "_reconstructor __newobj__",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "uuid": "UUID",
    "_codecs": "encode",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor _LGBMLabelEncoder",
    "numpy": "bool_ dtype float16 float32 float64 int16 int32 int64 int8 ndarray str_ uint16 uint32 uint64 uint8",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy.ma": "_mareconstruct",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "scipy.interpolate._interpolate": "interp1d",
    "scipy.sparse._coo": "coo_array coo_matrix",
    "scipy.sparse._csc": "csc_array csc_matrix",
    "scipy.sparse._csr": "csr_array csr_matrix",
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "sklearn.metrics._dist_metrics": "DistanceMetric EuclideanDistance EuclideanDistance64 ManhattanDistance newObj",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._tags": "ClassifierTags InputTags RegressorTags Tags TargetTags TransformerTags",
    "torch": "BFloat16Storage BoolStorage ByteStorage CharStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
    "ShortStorage Size bfloat16 device float16 float32 float64 int16 int32 int64 int8 uint8",
    "torch._utils": "_rebuild_parameter _rebuild_tensor _rebuild_tensor_v2",
    "torch.nn.parameter": "Parameter",
    "torch.serialization": "_get_layout",
    "torch.storage": "UntypedStorage TypedStorage",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBModel XGBRanker XGBRegressor XGBRFClassifier XGBRFRegressor",
}  # fmt: skip
_SAFE_NAMES = {module: frozenset(names.split()) for module, names in _SAFE.items()}

_SKLEARN = re.compile(
    r"sklearn\.(_loss|calibration|cluster|compose|covariance|cross_decomposition|decomposition|discriminant_analysis|dummy|ensemble"
    r"|feature_extraction|feature_selection|gaussian_process|impute|isotonic|kernel_approximation|kernel_ridge|linear_model|manifold"
    r"|mixture|model_selection|multiclass|multioutput|naive_bayes|neighbors|neural_network|pipeline|preprocessing|random_projection"
    r"|semi_supervised|svm|tree)(\.\w+)*",
    re.ASCII,
)
_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", re.ASCII)
_ACRONYMS = frozenset({"DBSCAN", "HDBSCAN", "MDS", "NMF", "NCA", "OPTICS", "PCA", "RFE", "RFECV", "SVC", "SVR", "TSNE"})
_NO_ESTIMATOR = frozenset({"Memory", "Parallel", "Path", "Popen"})
"""Classes that scikit-learn's modules import from elsewhere and that do more than hold a value."""

_MODULES = (
    "__main__ _aix_support _asyncio _ctypes _frozen_importlib _imp _io _operator _pickle _posixsubprocess _socket _thread _winapi aiohttp "
    "antigravity ast asyncio atexit bdb boto3 cProfile cffi cgi cloudpickle code codecs codeop commands compileall concurrent contextlib "
    "ctypes curses dbm dill distutils docker doctest dumbdbm ensurepip execnet fabric faulthandler fcntl fileinput fsspec ftplib gc git "
    "glob http httpx idlelib imaplib imp importlib inspect io joblib.externals joblib.memory joblib.parallel jsonpickle lib2to3 linecache "
    "llvmlite logging mailbox mailcap marshal mlflow mmap msvcrt multiprocessing nntplib nt ntpath numba numpy.ctypeslib numpy.distutils "
    "numpy.f2py numpy.lib.npyio numpy.testing os pandas.core.computation pandas.io paramiko pathlib pdb pexpect pickle pip pkg_resources "
    "pkgutil platform popen2 poplib posix posixpath profile psutil pty py_compile pydoc readline requests resource rlcompleter runpy "
    "scipy.io select selectors setuptools shelve shutil signal site smtplib socket socketserver sqlite3 ssl subprocess sympy sys "
    "sysconfig tarfile telnetlib tempfile test threading timeit tkinter torch._dynamo torch._inductor torch.distributed torch.hub "
    "torch.jit torch.multiprocessing torch.package torch.utils tornado trace tracemalloc turtle types typing unittest urllib urllib2 "
    "urllib3 venv virtualenv webbrowser winreg wsgiref xmlrpc yaml zipapp zipfile zipimport "
)
_DANGEROUS_MODULES = frozenset(_MODULES.split())
"""Modules whose every name is dangerous, with all that is inside them, but for the names above."""

_DANGEROUS: dict[str, frozenset[str]] = {
    "functools": frozenset({"reduce", "partialmethod", "cached_property", "singledispatch"}),
    "itertools": frozenset({"starmap", "accumulate"}),
    "joblib": frozenset({"load", "dump", "Memory", "Parallel", "delayed"}),
    "joblib.numpy_pickle": frozenset({"load", "dump"}),
    "numpy": frozenset({"load", "save", "fromfile", "memmap", "genfromtxt", "loadtxt", "savetxt", "DataSource", "vectorize", "frompyfunc"}),
    "operator": frozenset({"attrgetter", "methodcaller", "call", "setitem", "delitem"}),
    "pandas": frozenset({"eval", "read_pickle", "to_pickle", "read_sql", "read_csv"}),
    "torch": frozenset({"load", "save", "compile", "classes", "ops"}),
    "torch.serialization": frozenset({"load", "save"}),
    "torch.storage": frozenset({"_load_from_bytes"}),
}
_ANYWHERE = (
    "Popen __builtins__ __class__ __dict__ __globals__ __import__ __subclasses__ _run_code check_call check_output eval exec execfile "
    "execv execve fork import_module open popen rmtree run_command run_module run_path spawn spawnv startfile system unlink "
)
_DANGEROUS_ANYWHERE = frozenset(_ANYWHERE.split())


def classify_name(module: str, name: str) -> Risk:
    """Return what importing `name` from `module` and calling it can do.

    Names of Python 2 are also judged as what Python 3 takes them for, and a dotted name by each of its parts.

    >>> classify_name("os", "system"), classify_name("sklearn.tree._tree", "Tree"), classify_name("churn.model", "Scorer")
    ('dangerous', 'safe', 'unknown')
    >>> classify_name("commands", "getoutput"), classify_name("churn.model", "os.system")
    ('dangerous', 'dangerous')
    """
    mapped = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    if _is_dangerous(module, name) or _is_dangerous(*mapped):
        return "dangerous"
    return "safe" if is_safe_name(module, name) else "unknown"


def is_safe_name(module: str, name: str) -> bool:
    """Say whether the name is on the table of what only builds values.

    >>> is_safe_name("numpy", "ndarray"), is_safe_name("numpy", "load")
    (True, False)
    """
    if name in _SAFE_NAMES.get(module, ()):
        return True
    is_class = name in _ACRONYMS or (_CLASS.fullmatch(name) is not None and name not in _NO_ESTIMATOR)
    return is_class and _SKLEARN.fullmatch(module) is not None and "_testing" not in module


def _is_dangerous(module: str, name: str) -> bool:
    if module in ("builtins", "__builtin__"):
        return not (name in _SAFE_NAMES[module] or name.endswith(("Error", "Exception", "Warning")))
    if name in _SAFE_NAMES.get(module, ()):
        return False
    parts = module.split(".")
    if any(".".join(parts[:count]) in _DANGEROUS_MODULES for count in range(1, len(parts) + 1)):
        return True
    if name in _DANGEROUS.get(module, ()):
        return True
    inner = name.split(".")
    if len(inner) > 1 and any(part in _DANGEROUS_MODULES or part in _DANGEROUS.get(module, ()) for part in inner):
        return True
    return any(part in _DANGEROUS_ANYWHERE for part in inner)
