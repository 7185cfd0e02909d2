"""What an edit changes, in domain words: two sides (`side.py`) -> `Difference`s (`compare.py`) -> text or JSON (`describe.py`).

In between: `values.py` walks any frozen values of the model, `worlds.py` compares what takes effect in a world,
`definitions.py` the statements of strategies, `documents.py` everything that is no world, `positions.py` says what the
position policy will do, and `consequences.py` what changed settings do to everything that is held.
"""
