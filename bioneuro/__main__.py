"""`python -m bioneuro` is the command `bioneuro`."""

import sys

from bioneuro.cli import main

if __name__ == "__main__":
    sys.exit(main())
