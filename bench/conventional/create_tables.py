"""Makes the port's tables, once, before its processes start."""

import asyncio

from bench.conventional.api import create_tables

asyncio.run(create_tables())
