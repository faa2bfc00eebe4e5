"""``python -m capstone_lib`` is the same as ``capstone``."""

import sys

from capstone_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
