"""The second referee of a run: `orderflow audit` of the product itself, as an operator would call it."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

AUDIT_S_MAX = 300.0
AGAIN_AFTER_S = 5


async def audited(
    source: Path, orders_url: str, fulfillment_url: str, carriers: Sequence[str], payments: str
) -> list[str]:
    """What the audit finds, a line each; or that it could not be made. All orders must have ended."""
    command = [sys.executable, "-m", "orderflow", "audit", "--json", "--grace-s", "0"]
    command += ["--again-after-s", str(AGAIN_AFTER_S)]
    command += ["--carrier-ledger", *carriers, "--payments-ledger", payments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
    urls = {"ORDERFLOW_ORDERS_URL": orders_url, "ORDERFLOW_FULFILLMENT_URL": fulfillment_url}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**inherited, **urls, "PYTHONPATH": str(source)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(AUDIT_S_MAX):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return [f"the audit has not ended within {AUDIT_S_MAX:.0f} s"]
    try:
        findings: list[dict[str, Any]] = json.loads(out)["findings"]
    except (ValueError, KeyError):
        return [f"the audit ended with {process.returncode}: {err.decode(errors='replace')[-1000:]}"]
    return [f"{each['subject']} {each['kind']}: {each['what']}" for each in findings]
