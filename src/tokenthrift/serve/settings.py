"""How the service runs: where it listens, what it may take, which providers it reaches.

Provider keys come from the environment, or from a file that the environment names
(``OPENAI_API_KEY_FILE``), never from the command line, where every process of the machine sees
them.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tokenthrift.errors import ServeError
from tokenthrift.wire.anthropic_messages import AnthropicMessages
from tokenthrift.wire.openai_chat import OpenAIChat
from tokenthrift.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB: Final = 1024 * 1024
OPENAI_WIRES: Final = (OpenAIChat.name, OpenAIResponses.name)
MESSAGES_WIRES: Final = (AnthropicMessages.name,)
KNOWN: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
}
SPEC: Final = re.compile(r"([A-Za-z0-9_.-]+)=(https?://[^\s,]+)(?:,speaks=([a-z]+))?")


class Upstream(BaseModel):
    """A provider that the service reaches.

    Attributes:
        name: the seller, as model cards name it.
        base_url: up to and with ``/v1``.
        speaks: whose dialects: OpenAI's are Chat Completions and Responses.
        key: sent with every call; None: none, or the caller's own where the service has no keys.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    base_url: str
    speaks: Literal["openai", "anthropic"] = "openai"
    key: SecretStr | None = None

    @property
    def wires(self) -> tuple[str, ...]:
        """Names of the wires that it speaks."""
        return MESSAGES_WIRES if self.speaks == "anthropic" else OPENAI_WIRES

    @property
    def root_url(self) -> str:
        """What the SDK of its dialect takes as base URL: Anthropic's adds ``/v1`` itself."""
        return self.base_url.removesuffix("/v1") if self.speaks == "anthropic" else self.base_url

    @property
    def key_variable(self) -> str:
        """The variable of the environment that holds its key."""
        return key_variable(self.name)

    @classmethod
    def of(cls, spec: str, environment: Mapping[str, str]) -> Self:
        """Read ``NAME=URL[,speaks=openai|anthropic]``; the key is the environment's.

        Raises:
            ServeError: it does not parse, or the file of the key cannot be read.
        """
        match = SPEC.fullmatch(spec.strip())
        if match is None or match[3] not in (None, "openai", "anthropic"):
            raise ServeError(
                f"--upstream {spec!r}: expected NAME=URL or NAME=URL,speaks=openai|anthropic, "
                "e.g. openai=https://api.openai.com/v1"
            )
        name, url = match[1], match[2].rstrip("/")
        speaks: Literal["openai", "anthropic"] = "openai"
        if (match[3] or name) == "anthropic":
            speaks = "anthropic"
        if speaks == "anthropic" and not url.endswith("/v1"):  # as Anthropic's SDK takes it
            url += "/v1"
        return cls(name=name, base_url=url, speaks=speaks, key=_key(name, environment))


def upstreams_of(specs: Sequence[str], environment: Mapping[str, str]) -> tuple[Upstream, ...]:
    """The providers that are asked for; without any, OpenAI and Anthropic.

    ``OPENAI_BASE_URL`` and ``ANTHROPIC_BASE_URL`` say where those two are, as for their SDKs.

    Raises:
        ServeError: one does not parse, two have the same name, or a secret file cannot be read.
    """
    if not specs:
        specs = [
            f"{name}={environment.get(f'{name.upper()}_BASE_URL') or url}"
            for name, url in KNOWN.items()
        ]
    found = tuple(Upstream.of(spec, environment) for spec in specs)
    names = [upstream.name for upstream in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ServeError(f"--upstream {twice!r} is given twice; name the second one differently")
    return found


def key_variable(name: str) -> str:
    """The variable of the environment that holds a provider's key."""
    return f"{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_API_KEY"


def _key(name: str, environment: Mapping[str, str]) -> SecretStr | None:
    variable = key_variable(name)
    if environment.get(variable):
        return SecretStr(environment[variable])
    file = environment.get(f"{variable}_FILE")
    if not file:
        return None
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise ServeError(f"{variable}_FILE: {file}: cannot be read: {why}") from error
    if not text:
        raise ServeError(f"{variable}_FILE: {file}: is empty; put the key into it")
    return SecretStr(text)


class Settings(BaseModel):
    """How one service runs.

    Attributes:
        policies: names or files; the first is what calls fall under that name none.
        ledger: SQLite file of the records.
        keys: SQLite file of API keys; None lets everybody in who reaches the port.
        open_to_all: whether it may listen beyond this machine without keys.
        upstreams: providers that it reaches; of two that speak a dialect the first serves models
            whose seller is not among them.
        max_body_bytes: of a request; Anthropic takes 32 MB.
        body_timeout_s: until a request's body has come whole.
        upstream_timeout_s: that a provider may say nothing at all; its SDKs wait as long.
        connect_timeout_s: until a provider takes the connection.
        drain_s: that calls under way have to end when the service is told to stop.
        max_calls: under way at once; further ones are told to come again.
        plan_threads: that plan and write records beside the event loop.
    """

    model_config = ConfigDict(frozen=True)

    policies: Annotated[tuple[str, ...], Field(min_length=1)] = ("balanced",)
    ledger: str = "tokenthrift.db"
    keys: str | None = None
    open_to_all: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    upstreams: tuple[Upstream, ...] = ()
    max_body_bytes: Annotated[int, Field(gt=0)] = 32 * MIB
    body_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    upstream_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    drain_s: Annotated[float, Field(ge=0)] = 30.0
    max_calls: Annotated[int, Field(gt=0)] = 1_000
    plan_threads: Annotated[int, Field(gt=0)] = 8

    def check(self) -> None:
        """Refuse what would let strangers in.

        Raises:
            ServeError: it would listen beyond this machine without keys.
        """
        if self.keys is None and not self.open_to_all and not is_loopback(self.host):
            raise ServeError(
                f"{self.host} is not this machine only, and there are no API keys: make one with "
                "`tokenthrift keys create`, or say --without-keys if somebody else keeps watch"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; names but ``localhost`` may be anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
