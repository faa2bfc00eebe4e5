"""Load a live endpoint with Locust and read what it bore.

Locust runs as a process of its own: it patches the interpreter it lives in, so nothing here imports
it. What comes back is a :class:`LoadTest`; every percentile in it is counted from every answer.
"""

from capstone_lib.loadtest.histogram import Histogram
from capstone_lib.loadtest.result import LoadTest
from capstone_lib.loadtest.run import load_test
from capstone_lib.loadtest.sla import SlaVerdict
from capstone_lib.loadtest.step import LoadStep

__all__ = ["Histogram", "LoadStep", "LoadTest", "SlaVerdict", "load_test"]
