"""A real LiteLLM proxy with the plugin in it, in a process of its own, before a simulated provider.

Its packages are many (``litellm[proxy]``), so they may be in an environment of their own:
``TOKENTHRIFT_PROXY_PYTHON`` names its Python, and ``.venv-proxy`` beside the sources is looked at.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import yaml

if TYPE_CHECKING:
    from typing import Self

    from tokenthrift.serve.simulated import SimulatedProvider

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "litellm_proxy"
VARIABLE = "TOKENTHRIFT_PROXY_PYTHON"
START_S = 120.0
MASTER, UPSTREAM, FLAKY = "sk-master", "sk-upstream", "sk-flaky"

# Keys without a database: `sk-only-NAME` may use a single model.
AUTH = """
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    _, narrow, model = api_key.partition("sk-only-")
    models = [model] if narrow else []
    return UserAPIKeyAuth(api_key=api_key, models=models, key_alias=api_key, team_alias="search")
"""


def proxy_python() -> str | None:
    """A Python that has the proxy's packages; None where there is none."""
    named = os.environ.get(VARIABLE)
    beside = ROOT / ".venv-proxy" / "bin" / "python"
    if named or beside.exists():
        return named or str(beside)
    here = all(find_spec(name) for name in ("fastapi", "orjson", "apscheduler", "backoff"))
    return sys.executable if here else None


class ProxyProcess:
    """The proxy of the example's configuration, on a free port of loopback."""

    def __init__(self, provider: SimulatedProvider, folder: Path) -> None:
        self.ledger = folder / "ledger.sqlite"
        self.log = folder / "proxy.log"
        (folder / "auth.py").write_text(AUTH, encoding="utf-8")
        (folder / "config.yaml").write_text(yaml.dump(_config(provider)), encoding="utf-8")
        (folder / "policy.yaml").write_text(yaml.dump(_policy()), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        python = proxy_python()
        assert python is not None
        run = "from litellm import run_server; run_server()"
        options = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        with self.log.open("wb") as log:
            self._process = self._started([python, "-c", run, *options], folder, log)

    def _started(self, command: list[str], folder: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "src"),
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_MASTER_KEY": MASTER,
                "TOKENTHRIFT_POLICY": "policy.yaml",
                "TOKENTHRIFT_LEDGER": str(self.ledger),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.base_url}/health/liveliness", timeout=2).is_success:
                    return self
            except httpx.HTTPError:
                time.sleep(0.2)
        self.__exit__()
        raise RuntimeError(f"the proxy did not come up:\n{self.log.read_text()[-3000:]}")

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _config(provider: SimulatedProvider) -> dict[str, Any]:
    """The example's, before the simulated provider, with one model more that fails."""
    config: dict[str, Any] = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    flaky = {"model_name": "flaky", "litellm_params": {"model": "openai/gpt-4o", "api_key": FLAKY}}
    config["model_list"].append(flaky)
    for deployment in config["model_list"]:
        params = deployment["litellm_params"]
        ours = params["model"].startswith("openai/")
        params["api_base"] = provider.base_url if ours else provider.root_url
        params["api_key"] = FLAKY if deployment is flaky else UPSTREAM
    config["general_settings"]["custom_auth"] = "auth.user_api_key_auth"
    config["router_settings"] = {"num_retries": 0, "fallbacks": [{"flaky": ["gpt-4o-mini"]}]}
    return config


def _policy() -> dict[str, Any]:
    """The example's, with a limit that is soon reached by those who are named so."""
    policy: dict[str, Any] = yaml.safe_load((EXAMPLE / "policy.yaml").read_text(encoding="utf-8"))
    once = {"name": "once", "by": "user", "only": {"user": "once-*"}}
    policy["routing"]["candidates"][1]["covers"] = "simple"  # so that some are for the third
    policy["limits"].append({**once, "window": "day", "requests": 1})
    return policy
