"""One page per diagnostic code. `qmtl explain CODE` prints them; a test runs their examples."""
