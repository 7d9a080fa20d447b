"""What the service adds to a call, and how many it takes a second, beside the LiteLLM proxy.

    python benchmarks/service.py --proxy PATH/TO/bin/litellm
    python benchmarks/service.py --memory 100000
    python benchmarks/service.py --soak 600

One worker each, with API keys, the same upstream, the same bodies (about 2,000 tokens, all
different) and the same run: direct, ours with ``off`` and ``balanced``, and LiteLLM's proxy with a
callback that does nothing. Rounds take turns, so that what else the machine does meets all alike.
With ``--memory`` nothing else is measured: N requests go to ours, all of them new, and how much
memory its process holds is read on the way. With ``--soak`` 64 callers ask for so many seconds,
half of them for streams, of a provider that fails one time in a hundred; then every request must be
in the ledger once, and nothing may be left open. The proxy needs an environment of its own
(``pip install 'litellm[proxy]'``); its rows are skipped where it is absent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

import shapes
from data import RESULTS, SEED, save
from tokenthrift.ledger import open_ledger
from tokenthrift.policy import load_policy
from tokenthrift.serve.keys import KeyFile
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.wire import read

BODIES = 2_000
ROUNDS = 3
SECONDS = 6.0  # of one measurement
CONCURRENCY = (1, 32)
READ_EVERY = 5_000  # requests between two looks at the memory
PARTS = {shapes.prose: 900, shapes.log: 1_600, shapes.records: 1_200}  # letters of each
PATH = "/v1/chat/completions"
KEYS = "keys.db"
PROXY_KEY = f"sk-{os.urandom(16).hex()}"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": shapes.MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Worker 3 failed. " * 20},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1_500, "completion_tokens": 80, "total_tokens": 1_580},
}
SOAKERS = 64
STREAM = b', "stream": true}'
EVENTS = [(b"content-type", b"text/event-stream")]
DELTAS = ["Worker 3 "] * 20
CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": shapes.MODEL}
CONFIG = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{url}/v1", api_key: sk-upstream}}
litellm_settings:
  callbacks: nothing_callback.instance
"""
CALLBACK = """\
from litellm.integrations.custom_logger import CustomLogger


class Nothing(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        return data


instance = Nothing()
"""


def body(seed: int) -> bytes:
    """One request: a system prompt, a document of several kinds, a question."""
    made = shapes.Words(SEED + seed)
    texts = []
    for kind, letters in PARTS.items():
        text = ""
        for line in islice(kind(made), 200):
            text += line
            if len(text) > letters:
                break
        texts.append(text)
    messages = [
        {"role": "system", "content": f"You are a careful engineer. {made.words(300)}."},
        {"role": "user", "content": "\n".join(texts)},
        {"role": "assistant", "content": made.words(60)},
        {"role": "user", "content": f"{shapes.QUESTION} {made.words(20)}?"},
    ]
    return json.dumps({"model": shapes.MODEL, "messages": messages}).encode()


# ---------------------------------------------------------------------------------------- servers
def upstream(port: int, *, faults: bool) -> None:
    """A provider that says the same to everybody, at once; with faults one time in a hundred."""
    import uvicorn

    answer = json.dumps(ANSWER).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    turn = iter(range(10**12))

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        raw, more = b"", True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        n = next(turn) if faults else 1
        streams = faults and raw.endswith(STREAM)
        if n % 300 == 0:  # refused
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b'{"error": {"message": "no"}}'})
            return
        given = EVENTS if streams else head
        await send({"type": "http.response.start", "status": 200, "headers": given})
        if n % 300 == 100:  # cut
            await send({"type": "http.response.body", "body": answer[:9], "more_body": True})
            return
        if n % 300 == 200:  # slow
            await asyncio.sleep(1)
        for delta in DELTAS if streams else ():
            chunk = {**CHUNK, "choices": [{"index": 0, "delta": {"content": delta}}]}
            text = f"data: {json.dumps(chunk)}\n\n".encode()
            await send({"type": "http.response.body", "body": text, "more_body": True})
        last = b"data: [DONE]\n\n" if streams else answer
        await send({"type": "http.response.body", "body": last})

    uvicorn.run(app, port=port, log_level="critical", lifespan="off", access_log=False)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, **given: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, once it takes connections."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **given
    )
    try:
        for _ in range(1_200):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended at once")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def ours(policy: str, url: str, port: int, folder: Path) -> list[str]:
    ledger = folder / f"{policy}-{port}.db"
    given = ["--policy", policy, "--ledger", str(ledger), "--port", str(port)]
    given += ["--keys", str(folder / KEYS)]
    code = "from tokenthrift.cli import main; main()"
    return [sys.executable, "-c", code, "serve", *given, "--upstream", f"openai={url}/v1"]


def proxy(command: Path, url: str, port: int, folder: Path) -> list[str]:
    (folder / "config.yaml").write_text(CONFIG.format(model=shapes.MODEL, url=url))
    (folder / "nothing_callback.py").write_text(CALLBACK)
    return [str(command), "--config", "config.yaml", "--port", str(port), "--num_workers", "1"]


# ------------------------------------------------------------------------------------ measurement
@dataclass(frozen=True)
class Server:
    """Where a server is, and the key that it asks for."""

    url: str
    process: int
    key: str = "sk-caller"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"content-type": "application/json", "authorization": f"Bearer {self.key}"}


async def load(server: Server, bodies: list[bytes], callers: int, seconds: float) -> dict[str, Any]:
    """So many callers, each with one call after the other."""
    times: list[float] = []
    url, headers = server.url, server.headers
    turn = iter(range(10**9))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def call() -> None:
            begun = time.perf_counter()
            async with session.post(url + PATH, data=bodies[next(turn) % len(bodies)]) as answer:
                said = await answer.json()
                if answer.status != 200 or "choices" not in said:
                    sys.exit(f"{url}: {answer.status} {said}")
            times.append(time.perf_counter() - begun)

        async def caller(until: float) -> None:
            while time.perf_counter() < until:
                await call()

        await asyncio.gather(*(call() for _ in range(callers)))
        await caller(time.perf_counter() + 1)
        times.clear()
        begun, cpu = time.perf_counter(), cpu_s(server.process)
        await asyncio.gather(*(caller(begun + seconds) for _ in range(callers)))
        took = time.perf_counter() - begun
        cpu_ms = (cpu_s(server.process) - cpu) * 1_000 / len(times)
    made = {"n": len(times), "per_s": len(times) / took, "cpu_ms": cpu_ms}
    return {**made, "times_ms": [t * 1_000 for t in times]}


async def memory(server: Server, bodies: list[bytes], requests: int) -> list[list[float]]:
    """Megabytes that a process holds, by requests answered, at c=16."""
    found: list[list[float]] = []
    connector = aiohttp.TCPConnector(limit=0)
    url, turn = server.url, iter(range(requests))
    async with aiohttp.ClientSession(connector=connector, headers=server.headers) as session:

        async def caller() -> None:
            for n in turn:
                # Every request is new: what is remembered of old ones must not add up.
                raw = bodies[n % len(bodies)].replace(b"careful engineer", b"careful %d" % n, 1)
                async with session.post(url + PATH, data=raw) as answer:
                    await answer.read()
                if n % READ_EVERY == 0:
                    found.append([n, resident_mb(server.process)])
                    print(found[-1], flush=True)

        await asyncio.gather(*(caller() for _ in range(16)))
    found.append([requests, resident_mb(server.process)])
    return found


async def soak(server: Server, bodies: list[bytes], seconds: float) -> dict[str, Any]:
    """Callers that ask and ask, half of them for streams; what came of it."""
    found: Counter[str] = Counter()
    held: list[list[float]] = []
    begun = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    turn = iter(range(10**12))

    async with aiohttp.ClientSession(
        connector=connector, headers=server.headers, timeout=timeout
    ) as session:

        async def caller(place: int) -> None:
            while (at := time.perf_counter() - begun) < seconds:
                n = next(turn)
                raw = bodies[n % len(bodies)].replace(b"careful engineer", b"careful %d" % n, 1)
                raw = raw[:-1] + STREAM if place % 2 else raw
                try:
                    async with session.post(server.url + PATH, data=raw) as answer:
                        said = await answer.read()
                    whole = said.endswith((b"[DONE]\n\n", b"}"))
                    found[f"{answer.status}{'' if whole else ' not whole'}"] += 1
                except aiohttp.ClientError as error:
                    found[type(error).__name__] += 1
                if n % 1_000 == 0:
                    held.append([round(at), resident_mb(server.process), files(server.process)])
                    print(held[-1], dict(found), flush=True)

        await asyncio.gather(*(caller(place) for place in range(SOAKERS)))
    return {"answers": dict(found), "held": held}


def files(process: int) -> int:
    """How many files and connections a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1_000, 1)


def cpu_s(process: int) -> float:
    """Processor time that a process and those it started have taken."""
    found = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == process or int(fields[1]) == process:
            found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def quantiles(times_ms: list[float]) -> dict[str, float]:
    return {f"p{q}_ms": round(float(np.percentile(times_ms, q)), 2) for q in (50, 99)}


def measured(servers: dict[str, Server], bodies: list[bytes]) -> list[dict[str, Any]]:
    """All servers, all rounds; a row for each server and number of callers."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for callers in CONCURRENCY:
            for name, server in servers.items():
                run = asyncio.run(load(server, bodies, callers, SECONDS))
                found.setdefault((name, callers), []).append(run)
                said = {k: round(run[k], 2) for k in ("per_s", "cpu_ms")}
                print(name, callers, said, quantiles(run["times_ms"]), flush=True)
    rows = []
    for (name, callers), runs in found.items():
        times = [t for run in runs for t in run["times_ms"]]
        direct = [t for run in found["direct", callers] for t in run["times_ms"]]
        rates = [run["per_s"] for run in runs]
        row = {"server": name, "callers": callers, "n": len(times), **quantiles(times)}
        row["added_p50_ms"] = round(row["p50_ms"] - quantiles(direct)["p50_ms"], 2)
        row["per_s"] = round(float(np.median(rates)), 1)
        row["cpu_ms"] = round(float(np.median([run["cpu_ms"] for run in runs])), 2)
        row["per_s_range"] = [round(min(rates), 1), round(max(rates), 1)]
        rows.append(row)
    return rows


def earlier() -> dict[str, Any]:
    """What is known from the run before; speed and memory are measured apart."""
    path = RESULTS / "service.json"
    return dict(json.loads(path.read_text())["result"]) if path.exists() else {}


def apart(
    server: Server, bodies: list[bytes], seconds: float, requests: int, ledger: Path
) -> dict[str, Any]:
    """A soak, or a run for the memory."""
    if not seconds:
        return {"memory": asyncio.run(memory(server, bodies, requests))}
    found = asyncio.run(soak(server, bodies, seconds))
    time.sleep(2)
    found |= {"seconds": seconds, "files_at_the_end": files(server.process)}
    with open_ledger(ledger, create=False) as kept:
        found["records"] = {k: t.calls for k, t in kept.totals_by("status").items()}
    print(found)
    return {"soak": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", type=Path, help="bin/litellm of an environment with the proxy")
    parser.add_argument("--memory", type=int, default=0, help="requests of a memory run")
    parser.add_argument("--soak", type=float, default=0, help="seconds of a soak")
    parser.add_argument("--faults", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        upstream(options.upstream, faults=options.faults)
        return
    policies = {"balanced": load_policy("balanced").digest}
    bodies = [body(n) for n in range(BODIES)]
    count = counter_for(shapes.MODEL)
    sizes = [count_request(read(json.loads(raw)), count) for raw in bodies[:50]]
    with tempfile.TemporaryDirectory() as where_to, ExitStack() as stack:
        folder, ports = Path(where_to), [free_port() for _ in range(4)]
        url = f"http://127.0.0.1:{ports[0]}"
        command = [sys.executable, __file__, "--upstream", str(ports[0])]
        command += ["--faults"] if options.soak else []
        provider = stack.enter_context(running(command, ports[0]))
        with KeyFile(folder / KEYS) as keys:
            key, _ = keys.create_key("benchmark")
        servers = {"direct": Server(url, provider.pid)}
        for policy, port in zip(("off", "balanced"), ports[1:], strict=False):
            command = ours(policy, url, port, folder)
            process = stack.enter_context(running(command, port, cwd=folder))
            name = f"tokenthrift, {policy}"
            servers[name] = Server(f"http://127.0.0.1:{port}", process.pid, key)
        if options.soak or options.memory:
            server = servers["tokenthrift, balanced"]
            ledger = folder / f"balanced-{ports[2]}.db"
            found = apart(server, bodies, options.soak, options.memory, ledger)
            save("service", {**earlier(), **found}, policies=policies)
            return
        if options.proxy is not None and options.proxy.exists():
            given = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": PROXY_KEY}
            environment = {**os.environ, **given, "PYTHONPATH": where_to}
            command = proxy(options.proxy.absolute(), url, ports[3], folder)
            process = stack.enter_context(running(command, ports[3], cwd=folder, env=environment))
            where = f"http://127.0.0.1:{ports[3]}"
            servers["LiteLLM proxy"] = Server(where, process.pid, PROXY_KEY)
        else:
            print("no LiteLLM proxy: name its bin/litellm with --proxy; its rows are skipped")
        rows = measured(servers, bodies)
    save(
        "service",
        {
            "rounds": ROUNDS,
            "seconds": SECONDS,
            "tokens": [min(sizes), max(sizes)],
            "cores": os.cpu_count(),
            "rows": rows,
            **{k: v for k, v in earlier().items() if k in ("memory", "soak")},
        },
        policies=policies,
    )


if __name__ == "__main__":
    main()
