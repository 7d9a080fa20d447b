"""How the service is set up: providers, their keys, where it may listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenthrift.errors import ServeError
from tokenthrift.serve.settings import Settings, Upstream, is_loopback, upstreams_of


def test_without_providers_there_are_two() -> None:
    """OpenAI and Anthropic, where their SDKs' variables say, with their keys."""
    openai, anthropic = upstreams_of(
        [], {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "http://a"}
    )
    assert openai.base_url == "https://api.openai.com/v1"
    assert openai.key is not None
    assert openai.key.get_secret_value() == "sk-1"
    assert "sk-1" not in repr(openai)
    assert (anthropic.base_url, anthropic.speaks, anthropic.key) == (
        "http://a/v1",
        "anthropic",
        None,
    )


def test_keys_come_from_secret_files(tmp_path: Path) -> None:
    """A variable may name a file instead; one that cannot be read is said at once."""
    secret = tmp_path / "secret"
    secret.write_text("sk-2\n", encoding="utf-8")
    spec, named = "my-llm=http://h:1/v1/", {"MY_LLM_API_KEY_FILE": str(secret)}
    (found,) = upstreams_of([spec], named)
    assert found.base_url == "http://h:1/v1"
    assert found.key is not None
    assert found.key.get_secret_value() == "sk-2"
    secret.write_text(" \n", encoding="utf-8")
    with pytest.raises(ServeError, match="is empty"):
        upstreams_of([spec], named)
    with pytest.raises(ServeError, match="cannot be read"):
        upstreams_of([spec], {"MY_LLM_API_KEY_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    "spec", ["", "openai", "openai=ftp://x", "a=http://x,speaks=french", "a b=http://x"]
)
def test_wrong_providers_are_said(spec: str) -> None:
    """What does not parse is refused with an example."""
    with pytest.raises(ServeError, match="expected NAME=URL"):
        Upstream.of(spec, {})


def test_two_of_one_name_are_refused() -> None:
    """A name is one provider."""
    with pytest.raises(ServeError, match="given twice"):
        upstreams_of(["a=http://x", "a=http://y"], {})


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False)),
    ],
)
def test_only_loopback_is_open_by_itself(host: str, *, local: bool) -> None:
    """Beyond this machine the service wants keys, or to be told that it need not."""
    assert is_loopback(host) is local
    if local:
        Settings(host=host).check()
    else:
        with pytest.raises(ServeError, match="tokenthrift keys create"):
            Settings(host=host).check()
        Settings(host=host, open_to_all=True).check()
        Settings(host=host, keys="keys.db").check()
