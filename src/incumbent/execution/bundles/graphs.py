"""ONNX graphs, and PyTorch modules as code and safetensors: neither file holds code that runs when it is opened."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from incumbent.base.errors import InvalidInput, NotFound, Unavailable
from incumbent.execution.bundles.answers import Named
from incumbent.execution.bundles.files import read_inside, refuse_pickles, scan_bytes
from incumbent.execution.bundles.opened import Predict, Settings

ONNX_FILE, TORCH_FILE = "model.onnx", "weights.safetensors"
_ONNX_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
    "tensor(string)": "object",
}  # fmt: skip


def write_onnx(model: Any) -> bytes:
    """Return the bytes of an ONNX model given as bytes, as a ModelProto, or as the path of a file.

    Raises:
        NotFound: There is no such file.
    """
    if isinstance(model, bytes | bytearray):
        return bytes(model)
    if not isinstance(model, str | Path):
        return bytes(model.SerializeToString())
    try:
        return Path(model).read_bytes()
    except OSError as error:
        raise NotFound(f"{model} cannot be read: {error.strerror}; expected the file of an ONNX model or an MLflow model folder") from error


def open_onnx(folder: Path, settings: Settings) -> Predict:
    """Open an ONNX graph from its bytes: the runtime then refuses weights that lie in other files, wherever they are said to be."""
    data = read_inside(folder, settings)
    refuse_pickles([scan_bytes(settings["file"], data)], "the bundle")
    return run_onnx(data)


def run_onnx(data: bytes) -> Predict:
    """Return the function that answers from the graph's bytes."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(data, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no other common class
        why = " ".join(str(error).split())[:200]
        raise InvalidInput(f"ONNX Runtime does not take this graph (weights in files of their own are not followed): {why}") from error
    wanted = [(each.name, _find_dtype(each.name, each.type), each.shape) for each in session.get_inputs()]
    names = [each.name for each in session.get_outputs()]

    def predict(columns: Any) -> Named:
        fed = _feed(wanted, columns)
        return [pair for name, given in zip(names, session.run(names, fed), strict=True) for pair in _name_output(name, given)]

    return predict


def _find_dtype(name: str, kind: str) -> str:
    if kind not in _ONNX_TYPES:
        raise InvalidInput(f"the graph's input {name!r} is a {kind}; expected a tensor of numbers, truth values or text")
    return _ONNX_TYPES[kind]


def _feed(wanted: list[tuple[str, str, Any]], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors: one matrix of all columns if the graph takes one, else each column as (rows, 1) under its own name."""
    import numpy as np

    if len(wanted) == 1 and wanted[0][0] not in columns:
        name, dtype, _ = wanted[0]
        return {name: np.stack([_tensor(values, dtype) for values in columns.values()], axis=1)}
    missing = [name for name, _, _ in wanted if name not in columns]
    if missing:
        raise InvalidInput(f"the graph asks for {', '.join(missing)}, which inputs do not have")
    fed = {}
    for name, dtype, shape in wanted:
        column = _tensor(columns[name], dtype)
        fed[name] = column if len(shape) == 1 else column[:, np.newaxis]
    return fed


def _tensor(values: Any, dtype: str) -> Any:
    import numpy as np

    return np.array([float("nan") if value is None and dtype.startswith("float") else value for value in values], dtype=dtype)


def _name_output(name: str, given: Any) -> Named:
    if isinstance(given, list) and given and isinstance(given[0], dict):  # a ZipMap: one dict of class -> probability a row
        return [(f"{name}_{label}", [row[label] for row in given]) for label in given[0]]
    return [(name, given)]


def write_torch(module: Any) -> bytes:
    """Return the module's weights and buffers as safetensors."""
    import numpy as np
    from safetensors.numpy import save

    weights = {name: np.ascontiguousarray(value.detach().cpu().numpy()) for name, value in module.state_dict().items()}
    return bytes(save(weights))


def open_torch(folder: Path, settings: Settings) -> Predict:
    """Make the module by the bundle's own code and give it the weights; every one must be there, and no other."""
    data = read_inside(folder, settings)
    refuse_pickles([scan_bytes(settings["file"], data)], "the bundle")
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise Unavailable("this bundle holds a PyTorch module, and PyTorch is not installed here: pip install torch") from error
    from safetensors.numpy import load

    weights = {name: torch.from_numpy(array.copy()) for name, array in load(data).items()}
    module_name, _, function = str(settings["factory"]).partition(":")
    module = getattr(importlib.import_module(module_name), function)()
    module.load_state_dict(weights, strict=True)
    module.eval()
    return lambda frame: ask_torch(torch, module, frame)


def ask_torch(torch: Any, module: Any, frame: Any) -> Named:
    """Return what the module gives for the frame as one matrix of float32."""
    import numpy as np

    matrix = np.ascontiguousarray(frame, dtype=np.float32)
    with torch.no_grad():
        given = module(torch.from_numpy(matrix))
    return [("prediction", given.detach().cpu().numpy())]
