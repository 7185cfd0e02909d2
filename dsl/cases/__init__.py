"""Cases: tests of worlds, written as documents. Read here, run by `qmtl.engine.cases`."""
