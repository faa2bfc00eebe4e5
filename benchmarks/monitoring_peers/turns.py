"""What every competitor does: load the rows, warm up, and then one job for each line it is sent.

A job's wall and processor time are taken around the job alone; what it found goes along, so that
nobody is timed who measures something else.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

__all__ = ["reference_and_current", "take_turns"]


def reference_and_current() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables, from the files that the command line names."""
    reference, current = (np.load(path, allow_pickle=False) for path in sys.argv[1:3])
    return (
        pd.DataFrame({name: reference[name] for name in reference.files}),
        pd.DataFrame({name: current[name] for name in current.files}),
    )


def take_turns(jobs: dict[str, Callable[[], object]], look: Callable[[str, object], dict]) -> None:
    """Answer each line, the name of a job, with one line of JSON; ``look`` reads a result."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    print(json.dumps({"jobs": list(jobs)}), file=answers)
    for line in sys.stdin:
        name = line.strip()
        start, start_cpu = time.perf_counter(), time.process_time()
        result = jobs[name]()
        took = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - start_cpu}
        print(json.dumps(took | {"found": look(name, result)}), file=answers)
