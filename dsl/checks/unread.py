"""Q0609 in a definition: parameters and names that nothing in it reads."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, problem
from ..syntax import Definition
from ..uses import names_in


def unread(definition: Definition) -> Iterator[Diagnostic]:
    """A parameter that is set and changes nothing; a name that is worked out for nobody."""
    read = frozenset(names_in((*(let.value for let in definition.lets), *(rule.value for rule in definition.rules))))
    for param in definition.params:
        if param.name.name not in read:
            message = f"nothing in `{definition.name.name}` reads the parameter `{param.name.name}`: setting it changes nothing"
            yield problem("Q0609", message, param.name.span, help="use it in a rule, or drop it")
    for let in definition.lets:
        if let.name.name not in read:
            message = f"nothing in `{definition.name.name}` reads `{let.name.name}`"
            yield problem("Q0609", message, let.name.span, help="use it in a rule, or drop its line")
