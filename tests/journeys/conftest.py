"""Starts roles and ends them with the test, whatever happened."""

import sys
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

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


@pytest.fixture
def names(kafka_url: str) -> Generator[dict[str, str]]:
    """A topic and a group of this test's own, deleted afterwards."""
    topic = f"test-{uuid.uuid4()}"
    yield {"BUS_URL": kafka_url, "ORDERS_TOPIC": topic, "CONSUMER_GROUP": f"workers-{topic}"}
    admin: Any = AdminClient({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
    for deleted in admin.delete_topics([topic, f"{topic}.dead-letter"]).values():
        deleted.result()
