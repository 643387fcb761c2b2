"""`python -m efsdiag`, the same as the command `efsdiag`."""

import sys

from efsdiag.cli import main

if __name__ == "__main__":
    sys.exit(main())
