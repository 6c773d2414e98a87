"""Starts roles of this release and of others."""

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from tests.journeys.processes import Role, StartRole


@pytest.fixture
def start(tmp_path: Path) -> Generator[StartRole]:
    """`start("up", source=None, PORT="0", …)`: a role with these ORDERFLOW_ settings, of this release or of
    the one whose source that is."""
    roles: list[Role] = []

    def start_role(*arguments: str, source: Path | None = None, **settings: str) -> Role:
        environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        roles.append(Role(tmp_path, *arguments, environment=environment))
        return roles[-1]

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
