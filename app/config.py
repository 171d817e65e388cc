"""Settings of a process: read once from `ORDERFLOW_*` at its composition root, frozen, secrets masked when shown."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from app.errors import SetupError

PREFIX = "ORDERFLOW_"

ValueT = TypeVar("ValueT")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the surroundings are, and the knobs of a worker. Times are seconds unless their name says otherwise."""

    kafka: str = "127.0.0.1:9092"
    postgres: str = "postgresql://orderflow@127.0.0.1:5432/orderflow"
    provider: str = "http://127.0.0.1:8081"
    carrier: str = "http://127.0.0.1:8082"
    api: str = "http://127.0.0.1:8080"
    host: str = "127.0.0.1"
    port: int = 8080
    advertised_url: str = ""
    name: str = ""
    data: Path = Path(".orderflow/data")
    partitions: int = 4
    replication: int = 1
    state_memory_mb: Annotated[int, msgspec.Meta(ge=16)] = 256
    state_keep: float = 3600.0
    session_timeout: float = 10.0
    standbys: Annotated[int, msgspec.Meta(ge=0)] = 0
    commit_interval_ms: int = 100
    gateway_timeout: float = 2.0
    retry_delays_ms: tuple[int, ...] = (2_000, 4_000, 8_000, 16_000, 32_000)
    log_level: str = "info"

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "postgres"}
        return f"Settings({', '.join(f'{k}={v!r}' for k, v in shown.items())}, postgres='***')"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; a `SetupError` names the variable that cannot be read."""
    source = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for field in Settings.__struct_fields__:
        text = source.get(PREFIX + field.upper())
        if text is not None:
            values[field] = text.split(",") if field == "retry_delays_ms" else text
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SetupError(f"a variable {PREFIX}* cannot be read: {error}; mend it and start again") from None


def _decode(kind: type[ValueT], value: str) -> ValueT:
    if kind is Path:
        return kind(value)  # type: ignore[call-arg]
    raise NotImplementedError(f"no reading of {kind}")


def dump(settings: Settings) -> dict[str, str]:
    """The same settings as environment variables, for a child process."""
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    values["retry_delays_ms"] = ",".join(str(delay) for delay in settings.retry_delays_ms)
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}
