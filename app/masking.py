"""What is shown of texts that may hold a password."""

import re

# up to the last @ before the path, query or fragment: there are some in passwords
_USER = re.compile(r"//[^/?#]*@")


def without_password(url: str) -> str:
    """The same URL, without who asks. Of a URL that can be used: in another, a password may end where nobody knows."""
    return _USER.sub("//***@", url)
