"""The schema of a release to come: today's with further migrations."""

import shutil
from dataclasses import replace
from pathlib import Path

from orderflow.database.migrate import Schema, newest


def following(schema: Schema, directory: Path, *bodies: str, contract: tuple[bool, ...]) -> Schema:
    """The schema with a migration for each of these bodies of `upgrade()`; `contract` says which take away
    what earlier releases use. They are 9001 and so on."""
    migrations = directory / schema.name
    shutil.copytree(
        schema.directory / "versions",
        migrations / "versions",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    add_migrations(migrations, newest(schema), *bodies, contract=contract)
    return replace(schema, directory=migrations)


def add_migrations(migrations: Path, before: str, *bodies: str, contract: tuple[bool, ...]) -> None:
    """Add them to a directory of migrations, whose newest one is `before`."""
    for number, (body, contracts) in enumerate(zip(bodies, contract, strict=True), 9001):
        (migrations / "versions" / f"{number}.py").write_text(
            f'"""Migration {number}."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f'revision = "{number}"\ndown_revision = "{before}"\ncontract = {contracts}\n\n\n'
            f"def upgrade() -> None:\n    {body}\n"
        )
        before = str(number)


def is_of_the_code(name: str | None, _kind: str, _parents: object) -> bool:
    """For comparing a database with the definitions of tables: Alembic leaves out what migrating itself keeps
    there, except for what it does not know of."""
    return not (name or "").startswith("last_contraction_")
