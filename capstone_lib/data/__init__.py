"""The data of the course: shipped with the project, so that nothing is ever downloaded.

The census is loaded with :func:`load_census`; the files are in ``data/census``, with a README that
tells what to know before believing a number. The flights, with
:func:`load_flights`, are the second data set.
"""

from capstone_lib.data.census import Census, load_census
from capstone_lib.data.dictionary import Dictionary, Entry
from capstone_lib.data.flights import Flights, load_flights

__all__ = ["Census", "Dictionary", "Entry", "Flights", "load_census", "load_flights"]
