"""Models in processes of their own: started when first asked, watched, timed, and started anew when one dies."""

import contextlib
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import Busy, Corrupt, InvalidInput, Refused, Unavailable
from incumbent.execution.bundles.loaders import check_allowed
from incumbent.execution.frames import FrameReader, encode_frame
from incumbent.execution.model_worker import ALLOW_PICKLE
from incumbent.execution.worker_variables import NATIVE_VARIABLES, PLAIN_VARIABLES
from incumbent.registry.bundle import BUNDLE_FILE, parse_bundle_card
from incumbent.registry.signature import Columns, Scalar, check_columns
from incumbent.usecases.ports import Blobs, Codecs

LOAD_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0
REQUESTS_MAX = 24
"""Requests that one model may hold at once, the one that it answers included. A model that hangs holds no more of a server's threads."""
_READ_BYTES = 1 << 16
_LOG_BYTES_SHOWN = 2000
_PASSED_ON = (
    "PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT", *PLAIN_VARIABLES, *NATIVE_VARIABLES,
)  # fmt: skip
"""Environment variables that a model gets; addresses and keys of the server's own are not among them.

What a recipe records because it changes results goes with the model: by another BLAS kernel it gives other last digits. Its home is a
folder of its own: whoever evaluates a bundle may keep the key that they sign with in theirs. That is no wall: as the same user, code can
find out where that home is.
"""

_SET = {
    "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
    # Threads of one small answer only get in each other's way: a 1-row p99 of 328 ms with two, 5.5 ms with one.
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1",
}  # fmt: skip


class ModelProcess:
    """One bundle in one process. One request at a time; the others wait their turn."""

    def __init__(
        self,
        folder: Path,
        *,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        requests_max: int = REQUESTS_MAX,
        allow_pickle: bool = False,
    ) -> None:
        """Describe it; the process starts with the first request.

        Raises:
            Refused: The bundle needs a pickle, and that is not allowed here.
        """
        self.folder = folder.resolve()
        self.card = parse_bundle_card((folder / BUNDLE_FILE).read_bytes())
        check_allowed(self.card, allow_pickle=allow_pickle)
        self._options = [ALLOW_PICKLE] if allow_pickle else []
        self.load_timeout_s = load_timeout_s
        self.answer_timeout_s = answer_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None
        self._reader = FrameReader()
        self._scratch = Path(tempfile.mkdtemp(prefix="model-"))
        self._turn = threading.Lock()
        self._requests_max = requests_max
        self._places = threading.Semaphore(requests_max)

    def __enter__(self) -> "ModelProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the process that runs now, None if none does."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def answer(self, columns: Columns) -> dict[str, list[Scalar]]:
        """Return the model's answers, row for row, checked against its signature on the way in and out.

        Raises:
            InvalidInput: The columns do not fit the signature.
            Refused: The model raised, or answered something that does not fit its own signature.
            Unavailable: It could not be loaded, died, or gave no answer in time; the next request starts it anew.
            Busy: As many requests wait for it as may.
        """
        given = check_columns(self.card.signature.inputs, columns)
        if not self._places.acquire(blocking=False):
            raise Busy(f"{self._requests_max} requests wait for this model already; ask again after a moment")
        try:
            with self._turn:
                if self.pid is None:
                    self._start()
                reply = self._exchange({"columns": cast(Json, given)}, self.answer_timeout_s)
        finally:
            self._places.release()
        return self._judge(reply, len(next(iter(given.values()))))

    def memory_bytes(self) -> int | None:
        """Return the peak resident memory of the process that runs now; None if none does, or it cannot be told here.

        Raises:
            Unavailable: It died, or is too busy to say.
        """
        with self._turn:
            if self.pid is None:
                return None
            found = self._exchange({"usage": True}, self.answer_timeout_s).get("memory_bytes")
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None

    def _judge(self, reply: Document, rows: int) -> dict[str, list[Scalar]]:
        if "failed" in reply:
            raise Refused(f"the model raised {reply['failed']}")
        outputs = self.card.signature.outputs
        try:
            answered = check_columns(outputs, cast(Any, reply["columns"]))
        except (InvalidInput, KeyError, TypeError, AttributeError) as error:
            raise Refused(f"the model's answer does not fit its signature: {error}") from error
        found = len(answered[outputs[0].name])
        if found != rows:
            raise Refused(f"the model gave {found} answers to {rows} rows")
        return answered

    def _start(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = {"HOME": str(self._scratch), "PYTHONUSERBASE": site.getuserbase()}  # what is installed for the user alone stays found
        with theirs, (self._scratch / "log").open("ab") as log:
            command = [
                sys.executable,
                "-P",
                "-m",
                "incumbent.execution.model_worker",
                str(theirs.fileno()),
                str(self.folder),
                *self._options,
            ]
            self._process = subprocess.Popen(
                command, cwd=self._scratch, env={**kept, **_SET, **own}, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._end, self._reader = ours, FrameReader()
        greeting = self._exchange(None, self.load_timeout_s)
        if "failed" in greeting:
            self._stop()
            raise Unavailable(f"the bundle cannot be loaded: {greeting['failed']}{self._last_words()}")

    def _exchange(self, request: Document | None, timeout_s: float) -> Document:
        end = self._end
        if end is None:
            raise Unavailable("the model is stopped")
        end.settimeout(timeout_s)
        try:
            if request is not None:
                end.sendall(encode_frame(request))
            while data := end.recv(_READ_BYTES):
                for document in self._reader.feed(data):
                    return document
        except TimeoutError:
            self._stop()
            raise Unavailable(f"the model gave no answer within {timeout_s:g} s and was stopped; the next request starts it anew") from None
        except ConnectionError:
            pass  # it died with our request half read: told like any other death
        except Corrupt:
            self._stop()
            raise
        status = self._stop()
        raise Unavailable(f"the model's process ended ({status}); the next request starts it anew{self._last_words()}")

    def _last_words(self) -> str:
        text = (self._scratch / "log").read_bytes()[-_LOG_BYTES_SHOWN:].decode("utf-8", "replace").strip()
        return f"; its last line: {text.splitlines()[-1][:300]}" if text else ""

    def _stop(self) -> str:
        """End the process if there is one, and say how it ended."""
        if self._end is not None:
            self._end.close()
            self._end = None
        if self._process is None:
            return "not started"
        try:
            code = self._process.wait(timeout=1.0)  # its socket has closed: a sound one goes by itself
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it started and left behind; it began a session of its own
        self._process = None
        return f"signal {-code}" if code < 0 else f"exit {code}"

    def close(self) -> None:
        """Stop the process and remove what it wrote."""
        with self._turn:
            self._stop()
        shutil.rmtree(self._scratch, ignore_errors=True)


class LocalModelHost:
    """The `ModelHost` port on this machine: one process a bundle, taken from the blob store by digest and verified on the way."""

    def __init__(
        self, codecs: Codecs, blobs: Blobs, folder: Path, *, answer_timeout_s: float = ANSWER_TIMEOUT_S, allow_pickle: bool = False
    ) -> None:
        """Keep the unpacked bundles under `folder` until `close`."""
        self._codecs, self._blobs = codecs, blobs
        self._allow_pickle = allow_pickle
        self._answer_timeout_s = answer_timeout_s
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="served-", dir=folder))
        self._processes: dict[Digest, ModelProcess] = {}
        self._turn = threading.Lock()

    def answer(self, bundle: Artifact, columns: Columns) -> Mapping[str, list[Scalar]]:
        """See `ModelHost.answer`."""
        with self._turn:
            process = self._processes.get(bundle.digest)
            if process is None:
                process = self._processes[bundle.digest] = self._open(bundle)
        return process.answer(columns)

    def _open(self, bundle: Artifact) -> ModelProcess:
        target = self._folder / bundle.digest.partition(":")[2][:16]
        target.mkdir()
        try:
            return ModelProcess(
                self._unpack(bundle, target), answer_timeout_s=self._answer_timeout_s, allow_pickle=self._allow_pickle
            )  # fmt: skip
        except BaseException:
            shutil.rmtree(target)  # or the next request would find it there, and say so instead of what is wrong
            raise

    def memory_bytes(self, bundle: Artifact) -> int | None:
        """See `ModelHost.memory_bytes`."""
        with self._turn:
            process = self._processes.get(bundle.digest)
        return None if process is None else process.memory_bytes()

    def _unpack(self, bundle: Artifact, target: Path) -> Path:
        unpacked = self._codecs.decode(bundle, Path, self._blobs, target)
        if not isinstance(unpacked, Path) or not (unpacked / BUNDLE_FILE).is_file():
            raise Refused(f"{bundle.digest} is not a bundle: it has no {BUNDLE_FILE}")
        return unpacked

    def close(self) -> None:
        """Stop every model."""
        with self._turn:
            for process in self._processes.values():
                process.close()
            self._processes.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
