"""The files that `qmtl init` writes."""
