"""The load generators, wrk, vegeta and pgbench, and the venv of the conventional port."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import bodies
from bench.processes import BenchError, die_with_parent, run

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".venv" / "bench"
VEGETA = "github.com/tsenart/vegeta/v12@v12.13.0"
INSTALL_SECONDS_MAX = 600.0
SLACK_S = 30.0
"""How much longer than its measuring time a load generator may take before it is ended."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator saw. `accepted` requests were answered with 2xx; `failed` ones were not."""

    requests: int
    accepted: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def need(program: str, how: str) -> str:
    """The program's path. Raises BenchError, which says how to get it."""
    found = shutil.which(program)
    if found is None:
        raise BenchError(f"{program} is missing: {how}")
    return found


def wrk(
    url: str,
    orders: Path,
    *,
    seconds: float,
    connections: int,
    token: str,
    orders_per_request: int = 0,
    api_key: str | None = None,
) -> Load:
    """Closed loop: each connection sends its next request when the last is answered."""
    program = need("wrk", "sudo apt-get install wrk")
    command = [program, "-t", "2", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "-s", str(HERE / "orders.lua"), url]
    command += ["--", str(orders), token, str(orders_per_request), *([api_key] if api_key else [])]
    said = run(command, seconds_max=seconds + SLACK_S)
    line = next((line for line in said.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise BenchError(f"wrk printed no result: {said[-500:]}")
    result = json.loads(line.removeprefix("RESULT "))
    return Load(
        requests=result["requests"],
        accepted=result["requests"] - result["refused"],
        failed=result["refused"] + result["broken"],
        seconds=result["duration_us"] / 1e6,
        p50_ms=result["p50_us"] / 1e3,
        p99_ms=result["p99_us"] / 1e3,
        max_ms=result["max_us"] / 1e3,
    )


@contextmanager
def vegeta(targets: Path, results: Path, *, rate: int, seconds: float) -> Generator[subprocess.Popen[bytes]]:
    """Open loop: a request every 1/rate seconds, whatever the answers do. Runs while the block runs."""
    command = [_vegeta(), "attack", "-format=json", f"-targets={targets}", f"-rate={rate}/1s"]
    command += [f"-duration={seconds:g}s", "-timeout=10s", "-http2=false", "-max-workers=2000"]
    process = subprocess.Popen(
        [*command, f"-output={results}"], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def vegeta_load(results: Path) -> Load:
    """The results that `vegeta attack` wrote, once it has ended."""
    report = json.loads(run([_vegeta(), "report", "-type=json", str(results)], seconds_max=SLACK_S))
    codes: dict[str, int] = report["status_codes"]
    accepted = sum(count for code, count in codes.items() if code.startswith("2"))
    latencies = report["latencies"]
    return Load(
        requests=report["requests"],
        accepted=accepted,
        failed=report["requests"] - accepted,
        seconds=report["duration"] / 1e9,
        p50_ms=latencies["50th"] / 1e6,
        p99_ms=latencies["99th"] / 1e6,
        max_ms=latencies["max"] / 1e6,
    )


def _vegeta() -> str:
    own = CACHE / "vegeta"
    return str(own) if own.exists() else need("vegeta", f"GOBIN={CACHE} go install {VEGETA}")


def install_vegeta() -> None:
    """Install vegeta, unless it is there already, with Go and into the benchmark's own directory. Raises
    BenchError."""
    if (CACHE / "vegeta").exists() or shutil.which("vegeta"):
        return
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        raise BenchError(f"vegeta is missing: install Go, or vegeta itself ({VEGETA}), on the path")
    sys.stdout.write("installing vegeta\n")
    run([go, "install", VEGETA], seconds_max=INSTALL_SECONDS_MAX, env={**os.environ, "GOBIN": str(CACHE)})


def install_conventional() -> str:
    """The path of Python in the conventional port's own venv. The venv is made from bench/requirements.lock
    if it does not exist or is older than that file."""
    lock = HERE / "requirements.lock"
    python, made = CACHE / "venv" / "bin" / "python", CACHE / "venv" / "made-from"
    if not made.exists() or made.read_text() != lock.read_text():
        sys.stdout.write("installing the conventional port's libraries\n")
        sys.stdout.flush()
        run([sys.executable, "-m", "venv", "--clear", str(CACHE / "venv")], seconds_max=INSTALL_SECONDS_MAX)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
        run([*pip, "--require-hashes", "-r", str(lock)], seconds_max=INSTALL_SECONDS_MAX)
        made.write_text(lock.read_text())
    return str(python)


def pgbench(url: str, scratch: Path, *, orders_per_transaction: int, clients: int, seconds: float) -> float:
    """Orders per second with prepared statements; each client waits for its commit."""
    script = scratch / f"order-{orders_per_transaction}.sql"
    script.write_text(bodies.pgbench_script(orders_per_transaction))
    command = [need("pgbench", "sudo apt-get install postgresql-contrib"), "-n", "-M", "prepared"]
    command += ["-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), "-f", str(script)]
    said = run(command, seconds_max=seconds + SLACK_S, env=_libpq(url))
    tps = next(line for line in said.splitlines() if line.startswith("tps = "))
    return float(tps.split()[2]) * orders_per_transaction


def _libpq(url: str) -> Mapping[str, str]:
    parts = urlsplit(url)
    return {
        **os.environ,
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.removeprefix("/"),
        "PGOPTIONS": "-c synchronous_commit=on",
    }
