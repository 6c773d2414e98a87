"""Engines, migrations and the group commit. This package knows the dialects, but neither orders nor
shipments."""
