"""The data of the course: shipped with the project, so that nothing is ever downloaded.

The census is loaded with :func:`load_census`; the files are in ``data/census``, with a README that
tells what to know before believing a number.
"""

from capstone_lib.data.census import Census, load_census
from capstone_lib.data.dictionary import Dictionary, Entry

__all__ = ["Census", "Dictionary", "Entry", "load_census"]
