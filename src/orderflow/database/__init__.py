"""Engines, migrations and the group commit; knows dialects, but neither orders nor shipments."""
