"""Program + data -> decisions -> orders. Never sees text: it takes a `qmtl.dsl.program.Program`."""
