"""What is shown of texts that may hold a password, or what is told of a person."""

import re

_USER = re.compile(r"//[^/@]*@")
_WORD = re.compile(r"\w+")


def without_password(url: str) -> str:
    """The same URL, without who asks."""
    return _USER.sub("//***@", url)


def without_words_of(text: str, *told: str) -> str:
    """The same text, without the words of what was told, in whatever order and case."""
    words = {word.casefold() for one in told for word in _WORD.findall(one)}
    return _WORD.sub(lambda found: "***" if found[0].casefold() in words else found[0], text)
