"""The recipe of a stage: all five inputs of EQ V7.1, as one document whose digest is the stage's key.

    artifact = f(data_v, code_c, config_h, env_e, seed_s)

A key is the digest of the recipe's exact bytes, so a stored recipe proves its own key. A stage is keyed over the digests
of its inputs, never over how they came about: a rerun upstream that gives the same bytes leaves everything below it cached.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Algorithm, Digest, digest_bytes
from incumbent.base.documents import Document, Json, document_bytes

RECIPE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes one stage run (or one item of a mapped stage).

    Attributes:
        stage: Name of the stage.
        data: Input parameter -> artifact.
        code: Digest of the code closure's document.
        config: Config parameter -> value.
        environment: Digest of the environment's document, as far as this stage's imports reach.
        seed: The derived seed of the stage (and item), 0 <= seed < 2**32.
        outputs: Names of the results, in order.
    """

    stage: str
    data: Mapping[str, Artifact]
    code: Digest
    config: Mapping[str, Json]
    environment: Digest
    seed: int
    outputs: tuple[str, ...]

    def document(self) -> Document:
        """Return the recipe as a document."""
        return {
            "kind": "recipe",
            "format": RECIPE_FORMAT,
            "stage": self.stage,
            "data": {name: artifact.identity for name, artifact in self.data.items()},
            "code": str(self.code),
            "config": dict(self.config),
            "env": str(self.environment),
            "seed": self.seed,
            "outputs": list(self.outputs),
        }

    def key(self, algorithm: Algorithm) -> Digest:
        """Return the action key: the digest of the document's bytes."""
        return digest_bytes(document_bytes(self.document()), algorithm)


def derive_seed(run_seed: int, stage: str, item: str = "") -> int:
    """Return the seed of a stage (or of one item of a mapped stage), 0 <= seed < 2**32 (what scikit-learn and NumPy's legacy state take).

    The first four bytes of SHA-256 over the three parts: independent of the other stages and of the
    order in which they run, and the same in a workspace of either digest algorithm. An item is told by its content
    (`item` is its artifact's identity), so that an item put in front of the others reruns none of them.

    >>> derive_seed(7, "train") == derive_seed(7, "train") != derive_seed(7, "train", "value blake3:00")
    True
    """
    text = document_bytes({"seed": run_seed, "stage": stage, "item": item})
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
