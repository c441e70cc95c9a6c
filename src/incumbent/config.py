"""Settings: read once, from one place each, into one frozen value that says where each came from.

Order, later wins: built-in default, `[tool.incumbent]` in pyproject.toml, `.incumbent/settings.toml`, environment variable, what the caller
passes. The first file is the project's and goes where it goes; the second is this machine's, and says where the workspace is kept.
"""

import os
import pwd
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from incumbent.base.digest import ALGORITHMS, Algorithm
from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.action import Policy
from incumbent.pipeline.config import config_from_document

FOLDER = ".incumbent"
_POLICIES = ("fail", "warn", "off")
PLACES = "settings.toml"
_PLACE_KEYS = {"url", "blobs"}
_KEYS = {"pipeline", "config", "undeclared", "workers", "experiment", "digest", "seed"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set.

    Attributes:
        root: The project's root folder.
        pipeline: Reference of the default pipeline, "" if none is named.
        stage_config: Stage -> parameter -> value, under `--set`.
        policy: What an undeclared input does.
        workers: Number of stages that run at once.
        url: Metadata store: "" for SQLite in the workspace folder, `postgresql://…`, or the `http(s)://…` of a server.
        token: What is shown to that server; from the environment alone.
        blobs_url: Blob store: "" for the workspace folder, or `s3://…`.
        algorithm: Digest algorithm of a workspace that is created now; an existing one keeps its own.
        actor: Who acts, for records.
        account: The system's account that runs this process, whoever it says that it is.
        keys_folder: Where the private keys of the people at this machine are; never part of a project.
        origins: Setting -> where its value came from.
        public_url: Under which browsers know the server.
        traces: Where the server sends traces: "otlp", or "" for nowhere.
        lineage_url: Server of OpenLineage that is told of runs, "" for none, "off" to stop noting what it is to be told.
        lineage_key: Bearer token for it; from the environment alone.
        oidc_issuer: The company's OpenID Connect provider, "" if there is none.
        oidc_client_id: As which the provider knows the server.
        oidc_client_secret: What the server shows to the provider; from the environment alone.
    """

    root: Path
    pipeline: str
    stage_config: Mapping[str, Mapping[str, Json]]
    policy: Policy
    workers: int
    url: str
    blobs_url: str
    algorithm: Algorithm
    experiment: str
    seed: int
    actor: str
    keys_folder: Path
    origins: Mapping[str, str]
    account: str = ""
    public_url: str = ""
    traces: str = ""
    lineage_url: str = ""
    lineage_key: str = field(default="", repr=False)
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def folder(self) -> Path:
        """The workspace folder."""
        return self.root / FOLDER

    @property
    def is_remote(self) -> bool:
        """Whether the workspace is a server's, reached over HTTP."""
        return self.url.lower().startswith(("http://", "https://"))


def find_root(start: Path) -> Path:
    """Return the project's root: the nearest folder upwards with `.incumbent/`, pyproject.toml or `.git`; else `start`."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in (FOLDER, "pyproject.toml", ".git")):
            return folder
    return start


def read_settings(root: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read all settings of the project at `root`.

    Raises:
        InvalidInput: pyproject.toml does not parse, a key is unknown, or a value cannot be used.
    """
    if not root.is_dir():
        raise NotFound(f"project folder {root} does not exist")
    table = _read_table(root / "pyproject.toml")
    places = _read_places(root / FOLDER / PLACES)
    origins: dict[str, str] = {}

    def pick(key: str, variable: str, default: Any) -> Any:
        if variable and environ.get(variable):
            origins[key] = variable
            return environ[variable]
        if key in places:
            origins[key] = f"{FOLDER}/{PLACES}"
            return places[key]
        origins[key] = "pyproject.toml" if key in table else "default"
        return table.get(key, default)

    policy = _one_of("undeclared", pick("undeclared", "INCUMBENT_UNDECLARED", "fail"), _POLICIES)
    algorithm = _one_of("digest", pick("digest", "INCUMBENT_DIGEST", "blake3"), ALGORITHMS)
    return Settings(
        root=root,
        pipeline=_text("pipeline", pick("pipeline", "", "")),
        stage_config=config_from_document(pick("config", "", {}), "[tool.incumbent.config]"),
        policy=cast(Policy, policy),
        workers=_count("workers", pick("workers", "INCUMBENT_WORKERS", _cores())),
        url=_text("url", pick("url", "INCUMBENT_URL", "")),
        blobs_url=_text("blobs", pick("blobs", "INCUMBENT_BLOBS", "")),
        algorithm=cast(Algorithm, algorithm),
        experiment=_text("experiment", pick("experiment", "", "")),
        seed=_count("seed", pick("seed", "INCUMBENT_SEED", 0), least=0),
        actor=_text("actor", pick("actor", "INCUMBENT_ACTOR", "")) or find_account(),
        keys_folder=Path(_text("keys", environ.get("INCUMBENT_KEYS") or str(_config_home(environ) / "incumbent" / "keys"))),
        origins=origins,
        account=find_account(),
        public_url=_text("public_url", environ.get("INCUMBENT_PUBLIC_URL", "")),
        traces=_text("traces", environ.get("INCUMBENT_TRACES", "")),
        lineage_url=_text("lineage_url", environ.get("INCUMBENT_LINEAGE_URL", "")),
        lineage_key=_text("lineage_key", environ.get("INCUMBENT_LINEAGE_KEY", "")),
        oidc_issuer=_text("oidc_issuer", environ.get("INCUMBENT_OIDC_ISSUER", "")),
        oidc_client_id=_text("oidc_client_id", environ.get("INCUMBENT_OIDC_CLIENT_ID", "")),
        oidc_client_secret=_text("oidc_client_secret", environ.get("INCUMBENT_OIDC_CLIENT_SECRET", "")),
        token=_text("token", environ.get("INCUMBENT_TOKEN", "")),
    )


def _read_places(path: Path) -> dict[str, Any]:
    table = _read_file(path)
    unknown = sorted(table.keys() - _PLACE_KEYS)
    if unknown:
        raise InvalidInput(f"{path} has no setting {unknown[0]!r}; it has: {', '.join(sorted(_PLACE_KEYS))}")
    return table


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error


def _read_table(path: Path) -> dict[str, Any]:
    document = _read_file(path)
    tools = document.get("tool", {})
    table = tools.get("incumbent", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise InvalidInput(f"{path}: [tool.incumbent] must be a table")
    unknown = sorted(table.keys() - _KEYS)
    if unknown:
        raise InvalidInput(f"{path}: [tool.incumbent] has no setting {unknown[0]!r}; it has: {', '.join(sorted(_KEYS))}")
    return table


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _config_home(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_CONFIG_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".config"


def find_account() -> str:
    """Return the name of the account that runs this process, by its number: variables such as LOGNAME say what anybody likes."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid-{os.getuid()}"


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"setting {key} = {value!r}: expected text")
    return value


def _one_of(key: str, value: Any, legal: tuple[str, ...]) -> str:
    if value not in legal:
        raise InvalidInput(f"setting {key} = {value!r}: expected one of {', '.join(legal)}")
    return str(value)


def _count(key: str, value: Any, least: int = 1) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise InvalidInput(f"setting {key} = {value!r}: expected a whole number, {least} or more")
    return number
