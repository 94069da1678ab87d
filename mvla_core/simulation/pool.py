"""Independent pieces of work in several processes, with their results in order, and a stop that keeps what is finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from mvla_core.errors import SimulationError, Stopped, UserInputError
from mvla_core.progress import Progress
from mvla_core.simulation.config import MAX_WORKERS

Task = TypeVar("Task")
Result = TypeVar("Result")

POLL_S = 0.2


def run_in_order(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, progress: Progress
) -> Iterator[Result]:
    """Yield `function(task)` for each task, in the tasks' order.

    Args:
        function: A function of a module, as it is sent to other processes by name.
        tasks: May be pickled.
        workers: Processes; with 1, or one task, the work is done in this process.
        progress: Asked whether to stop. Pieces that are running then are finished and still yielded before `Stopped`.

    Raises:
        UserInputError: `workers` is out of range.
        SimulationError: A process died.
        Stopped: The user asked for it.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
        raise UserInputError(f"The number of workers is {workers!r}; expected a whole number from 1 to {MAX_WORKERS}.")
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            progress.check()
            yield function(task)
        return
    context = multiprocessing.get_context("spawn")
    waiting = deque(tasks)
    running: deque[Future[Result]] = deque()
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=_prepare_worker)
    try:
        while waiting or running:
            while waiting and len(running) <= workers:
                running.append(pool.submit(function, waiting.popleft()))
            yield _wait_for(running[0], progress)
            running.popleft()
    except Stopped:
        pool.shutdown(wait=True, cancel_futures=True)
        for future in running:
            if not future.cancelled() and future.exception() is None:
                yield future.result()
        raise
    except BrokenProcessPool as error:
        progress.check()
        raise SimulationError(
            "A recording process ended unexpectedly, perhaps for lack of memory; start again with fewer workers: "
            "finished episodes are kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _wait_for(future: Future[Result], progress: Progress) -> Result:
    while True:
        progress.check()
        try:
            return future.result(timeout=POLL_S)
        except TimeoutError:
            if future.done():
                raise


def _prepare_worker() -> None:
    """Leave stopping to the parent, which a signal to the whole group reaches too, and end when the parent ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
