"""Keys as text, and back: a key that is no text, or reads like one that is none, is `hex:` and its bytes."""

HEX = "hex:"


def shown(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return HEX + key.hex()
    return HEX + key.hex() if text.startswith(HEX) else text


def read(text: str) -> bytes:
    """The key that is shown as this; a `ValueError` for what shows none."""
    return bytes.fromhex(text.removeprefix(HEX)) if text.startswith(HEX) else text.encode()
