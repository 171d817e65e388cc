"""What is shown of an address that may hold a password."""

import re

_USER = re.compile(r"//[^/@]*@")


def without_password(url: str) -> str:
    """The same URL, without who asks."""
    return _USER.sub("//***@", url)
