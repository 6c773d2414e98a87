"""What several tests of commands start with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.restoring import Restored


@pytest.fixture
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restored]:
    monkeypatch.chdir(tmp_path)
    made = Restored(tmp_path)
    yield made
    made.orders.dispose()
    made.fulfillment.dispose()
