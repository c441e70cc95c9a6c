"""The `PredictionLog` port on a shared database: what one host answered is found from every other that uses it."""

from collections.abc import Sequence
from concurrent.futures import Future

from incumbent.base.errors import IncumbentError, NotFound
from incumbent.registry.model import Prediction
from incumbent.usecases.ports import Store


class SqlPredictionLog:
    """Each append is a transaction of its own. Of a record it keeps the columns that the table has, which are those up to latency."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, predictions: Sequence[Prediction]) -> "Future[None]":
        """Store answers before this returns; see the port."""
        future: Future[None] = Future()
        try:
            with self._store.begin() as tx:
                tx.predictions.append(predictions)
        except IncumbentError as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def find(self, prediction_id: str) -> Prediction | None:
        """Return one that was acknowledged."""
        try:
            with self._store.begin(read_only=True) as tx:
                return tx.predictions.get(prediction_id)
        except NotFound:
            return None

    def close(self) -> None:
        """Do nothing: the store is closed by whoever opened it."""
