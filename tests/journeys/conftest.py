"""Starts roles and ends them with the test, whatever happened."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import Role, StartRole


@pytest.fixture
def start(tmp_path: Path) -> Generator[StartRole]:
    """`start("up", PORT="0", …)`: a role with these ORDERFLOW_ settings."""
    roles: list[Role] = []

    def start_role(*arguments: str, **settings: str) -> Role:
        environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
        role = Role(tmp_path, *arguments, environment=environment)
        roles.append(role)
        return role

    yield start_role
    for role in roles:
        role.end()
