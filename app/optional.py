"""Parts of the product that have a faster form where it could be built: which form is in use."""

import os
from collections.abc import Sequence
from typing import TypeVar

from app.errors import SetupError

FormT = TypeVar("FormT", bound=str)


def form_in_use(variable: str, available: Sequence[FormT]) -> FormT:
    """The first one that is there, or the one that the variable asks for; a `SetupError` when it is not."""
    asked = os.environ.get(variable) or available[0]
    for form in available:
        if form == asked:
            return form
    raise SetupError(
        f"{variable}={asked}, but there is only {' and '.join(available)}; unset it, or install where a C compiler is"
    )
