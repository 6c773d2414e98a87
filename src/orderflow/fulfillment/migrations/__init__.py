"""The schema of the fulfillment database, revision by revision under `versions/`."""

from pathlib import Path

from orderflow.database.migrate import Schema

SCHEMA = Schema("fulfillment", Path(__file__).parent, lock_key=0x66756C, own_table="shipments")
