"""`python -m qmtl` is the same as `qmtl`."""

from qmtl.cli import main

main()
