"""Settings of a process: read once from `ORDERFLOW_*` at its composition root, frozen, secrets masked when shown."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec

from app.errors import SetupError
from app.masking import without_password

PREFIX = "ORDERFLOW_"

URLS = ("provider", "carrier", "api", "advertised_url", "registry", "alert_webhook", "connect")
OPTIONAL = ("advertised_url", "registry", "alert_webhook")
WITH_PASSWORDS = ("registry", "alert_webhook")

ValueT = TypeVar("ValueT")
LogLevel = Literal["debug", "info", "warning", "error"]
LEVELS = get_args(LogLevel)
Natural = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Retries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Waits of `base_ms`, then each `multiplier` times as long as the one before, `max_delay_ms` at most."""

    max_retries: Annotated[int, msgspec.Meta(ge=0, le=50)] = 5
    base_ms: Natural = 2_000
    multiplier: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    max_delay_ms: Natural = 60_000

    def delays_ms(self) -> tuple[int, ...]:
        waits = [self.base_ms * self.multiplier**number for number in range(self.max_retries)]
        return tuple([int(min(wait, self.max_delay_ms)) for wait in waits])


class Failures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one topology handles failures, where it is not as all others do; `topics` are its sources."""

    retries: Retries | None = None
    topics: dict[str, Retries] = {}
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    parked_most: Natural = 10_000
    dead_keys: Literal["block", "go-on"] = "block"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the surroundings are, and the knobs of a worker. Times are seconds unless their name says otherwise."""

    kafka: str = "127.0.0.1:9092"
    postgres: str = "postgresql://orderflow@127.0.0.1:5432/orderflow"
    provider: str = "http://127.0.0.1:8081"
    carrier: str = "http://127.0.0.1:8082"
    api: str = "http://127.0.0.1:8080"
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    advertised_url: str = ""
    name: str = ""
    data: Path = Path(".orderflow/data")
    partitions: Natural = 4
    replication: Natural = 1
    state_memory_mb: Annotated[int, msgspec.Meta(ge=16)] = 512
    state_keep: Annotated[float, msgspec.Meta(ge=0)] = 3600.0
    session_timeout: Seconds = 10.0
    standbys: Annotated[int, msgspec.Meta(ge=0)] = 0
    commit_interval_ms: Natural = 100
    gateway_timeout: Seconds = 2.0
    registry: str = ""
    connect: str = "http://127.0.0.1:8083"
    brake_keys: Natural = 10
    brake_window: Seconds = 10.0
    order_deadline: Seconds = 300.0
    outbox_keep_days: Annotated[float, msgspec.Meta(ge=0.1)] = 7.0
    results_keep_days: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    alert_webhook: str = ""
    alert_secret: str = ""
    retry_delays_ms: tuple[Natural, ...] = (2_000, 4_000, 8_000, 16_000, 32_000)
    failures: dict[str, Failures] = {}
    log_level: LogLevel = "info"

    def failures_of(self, topology: str) -> Failures:
        return self.failures.get(topology, Failures())

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__} | {"postgres": "***"}
        shown |= {name: without_password(shown[name]) for name in WITH_PASSWORDS}
        shown["alert_secret"] = "***" if self.alert_secret else ""
        return f"Settings({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; a `SetupError` names the variable that cannot be read."""
    source = os.environ if environ is None else environ
    found = {field: source.get(PREFIX + field.upper()) for field in Settings.__struct_fields__}
    given = {field: text for field, text in found.items() if text is not None}
    settings = Settings()
    for field, text in given.items():
        try:
            value = {field: _split(field, text)}
            read = msgspec.convert(value, Settings, strict=field == "failures", dec_hook=_decode)
            settings = msgspec.structs.replace(settings, **{field: _checked(field, getattr(read, field))})
        except (msgspec.DecodeError, ValueError) as error:
            why = str(error).partition(" - at ")[0]
            raise SetupError(f"{PREFIX}{field.upper()} cannot be read: {why}; mend it and start again") from None
    return settings


def _split(field: str, text: str) -> object:
    """What stands in the variable, for `convert` to read; it knows no lists and no case."""
    match field:
        case "retry_delays_ms":
            return text.split(",")
        case "failures":
            return msgspec.json.decode(text)
        case "log_level" if text.lower() not in LEVELS:
            raise ValueError(f"expected one of {', '.join(LEVELS)}, got {text!r}")
        case "log_level":
            return text.lower()
        case _:
            return text


def _checked(field: str, value: object) -> object:
    """The value, where types alone do not tell that it can be used; else a `ValueError`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no end")
    if field in URLS and (value or field not in OPTIONAL):
        _check_url(str(value))
    if field == "postgres" and "=" not in str(value) and not str(value).startswith(("postgresql://", "postgres://")):
        raise ValueError("expected a DSN like postgresql://user:password@host:5432/database")
    return value


def _check_url(text: str) -> None:
    # where a password begins and ends in what is no URL, nobody knows
    got = "one that is not shown, since it may hold a password" if "@" in text else repr(text)
    expected = f"expected a URL like http://host:8080, got {got}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if not usable:
        raise ValueError(expected)


def _decode(kind: type[ValueT], value: str) -> ValueT:
    if kind is Path:
        return kind(value)  # type: ignore[call-arg]
    raise NotImplementedError(f"no reading of {kind}")


def dump(settings: Settings) -> dict[str, str]:
    """The same settings as environment variables, for a child process."""
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    values["retry_delays_ms"] = ",".join(str(delay) for delay in settings.retry_delays_ms)
    values["failures"] = msgspec.json.encode(settings.failures).decode()
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}
