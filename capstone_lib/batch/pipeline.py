"""The steps side by side: one thread reads, several score, the calling thread writes.

Batches are written in the order of the source, and only a few are under way at once, so memory
does not grow with the rows. An error anywhere stops everything and comes out as it is.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from capstone_lib.batch import steps
from capstone_lib.batch.source import Source, Stretch
from capstone_lib.schema import Problem, Schema
from capstone_lib.store import ScoredBatch, Step

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact

__all__ = ["Clock", "Scored", "score_stretches"]

_POLL_S = 0.1


class Clock:
    """Rows and seconds at work for each step, from any thread."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._rows: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def measure(self, step: str, rows: int = 0) -> Iterator[None]:
        """Add the time of the block to a step."""
        start = time.perf_counter()
        yield
        self.add(step, rows, time.perf_counter() - start)

    def add(self, step: str, rows: int, seconds: float) -> None:
        """Add rows and seconds to a step."""
        with self._lock:
            self._seconds[step] += seconds
            self._rows[step] += rows

    def steps(self) -> tuple[Step, ...]:
        """All six steps, in order."""
        return tuple(Step(name, self._rows[name], self._seconds[name]) for name in steps.STEPS)


@dataclass(frozen=True)
class Scored:
    """A stretch after scoring: what is to be written, and what the gate had to say."""

    batch: ScoredBatch
    first: int
    n_rows: int
    problems: tuple[Problem, ...]


@dataclass
class _Line:
    """What the threads share."""

    queue: "Queue[Future[Scored] | BaseException | None]"
    stop: threading.Event = field(default_factory=threading.Event)

    def put(self, item: "Future[Scored] | BaseException | None") -> bool:
        """Wait for room; give up when the run is stopped."""
        while not self.stop.is_set():
            try:
                self.queue.put(item, timeout=_POLL_S)
                return True
            except Full:
                continue
        return False

    def drain(self) -> None:
        """Let go of everything that waits."""
        while True:
            try:
                self.queue.get_nowait()
            except Empty:
                return


def score_stretches(
    source: Source,
    model: "Artifact",
    *,
    id_column: str,
    workers: int,
    clock: Clock,
) -> Generator[Scored]:
    """Read and score the source in threads; yield the results in its order.

    Closing the iterator, or an error, stops the threads and waits for them.
    """
    schema = model.schema
    columns = list(dict.fromkeys([*schema.names, *([id_column] if id_column else [])]))
    line = _Line(Queue(maxsize=workers + 1))
    with ThreadPoolExecutor(workers, thread_name_prefix="capstone-score") as pool:

        def score(stretch: Stretch) -> Scored:
            return _score(stretch, model, schema, id_column, source.untyped, clock)

        reader = threading.Thread(
            target=_read, args=(source, columns, line, pool, score, clock), name="capstone-read"
        )
        reader.start()
        try:
            while (item := line.queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item.result()
        finally:
            line.stop.set()
            line.drain()
            pool.shutdown(wait=True, cancel_futures=True)
            reader.join()


def _read(
    source: Source,
    columns: Sequence[str],
    line: _Line,
    pool: ThreadPoolExecutor,
    score: Callable[[Stretch], Scored],
    clock: Clock,
) -> None:
    """The reading thread: hand each stretch to the scorers, and its place in line to the writer."""
    try:
        stretches = steps.extract(source, columns)
        while not line.stop.is_set():
            start = time.perf_counter()
            stretch = next(stretches, None)
            n_rows = 0 if stretch is None else len(stretch.data)
            clock.add("extract", n_rows, time.perf_counter() - start)
            if stretch is None or not line.put(pool.submit(score, stretch)):
                break
        line.put(None)
    except BaseException as error:
        line.put(error)


def _score(
    stretch: Stretch,
    model: "Artifact",
    schema: Schema,
    id_column: str,
    untyped: bool,
    clock: Clock,
) -> Scored:
    n_rows = len(stretch.data)
    with clock.measure("transform", n_rows):
        ids = steps.read_ids(stretch, id_column)
        checked = steps.transform(
            schema, stretch.data, ids=ids if id_column else None, untyped=untyped
        )
    with clock.measure("load_features", n_rows):
        features = steps.load_features(checked)
    n_valid = int(checked.valid.sum())
    with clock.measure("predict", n_valid):
        predicted: Any = steps.predict(model, features) if n_valid else None
        batch = steps.gather(stretch, ids, checked, predicted)
    return Scored(batch, stretch.first, n_rows, checked.problems)
