"""The schema of the orders database, revision by revision under `versions/`."""

from pathlib import Path

from orderflow.database.migrate import Schema

SCHEMA = Schema("orders", Path(__file__).parent, lock_key=0x6F7264, own_table="orders")
