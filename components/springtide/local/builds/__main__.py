"""`python -m springtide.local.builds`: every program, once."""

import sys

from springtide.local.builds.binaries import main

if __name__ == "__main__":
    sys.exit(main())
