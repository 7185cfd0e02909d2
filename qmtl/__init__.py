"""qmtl: YAML and `.qmtl` text, compiled into a stage graph that a thin runtime ticks into orders.

The front door only: the version and the command line. Meaning lives in `qmtl.dsl`, deciding in `qmtl.engine`.
"""

from typing import Final

__version__: Final = "0.1.0"
