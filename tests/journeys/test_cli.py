"""The command line as a program: exit codes, what goes to which stream, imports that are safe to repeat."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Role, StartRole, all_orders, eventually
from tests.ports import free_ports

ORDERFLOW = [sys.executable, "-m", "orderflow"]
SAMPLE = Path(__file__).parents[2] / "examples" / "orders-sample.ndjson"
NOBODY = "http://127.0.0.1:9"
ORDER = '{"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":1}]}'

Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Runs `orderflow …` in a directory of the test's own; keywords are settings."""

    def run(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ORDERFLOW, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(settings),
            timeout=100,
            check=False,
        )

    return run


def environment(settings: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **{f"ORDERFLOW_{name.upper()}": value for name, value in settings.items()}}


class Up:
    """A real `orderflow up`, with a carrier that rejects nothing and answers at once."""

    def __init__(self, start: StartRole, directory: Path) -> None:
        ports = free_ports(2)
        self.urls = {
            "orders_url": f"http://127.0.0.1:{ports[0]}",
            "fulfillment_url": f"http://127.0.0.1:{ports[1]}",
        }
        self._start = start
        self._settings = {
            "DATA_DIR": str(directory / "data"),
            "PORT": str(ports[0]),
            "FULFILLMENT_PORT": str(ports[1]),
            "CARRIER_DELAY_MS": "0-0",
            "CARRIER_FAILURE_RATE": "0",
        }
        self.role = self.start()

    def start(self) -> Role:
        self.role = self._start("up", **self._settings)
        self.role.url()
        return self.role


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("up")

    def start(*arguments: str, **settings: str) -> Role:
        environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
        return Role(directory, *arguments, environment=environment)

    running = Up(start, directory)
    yield running
    running.role.end()


def test_the_version_is_told_without_loading_the_parts() -> None:
    program = (
        "import sys; from orderflow.cli import run; code = run(['version']);"
        "heavy = {'aiohttp', 'fastapi', 'sqlalchemy', 'pydantic', 'confluent_kafka'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["orders"],
        ["nonsense"],
        ["orders", "list", "--limit", "many"],
        ["orders", "list", "--limit", "0"],
        ["orders", "show"],
        ["orders", "create", "--name", "Ada"],
        ["orders", "create", "--nonsense"],
        ["orders", "create", "--customer-id", "c", "--name", "n", "--item", "A:1:5"],
        [
            "orders",
            "create",
            "--customer-id",
            "c",
            "--name",
            "n",
            "--item",
            "A:1",
            "--idempotency-key",
            "\x85",
        ],
        ["orders", "parked"],
        ["orders", "parked", "list", "--limit", "0"],
        ["orders", "parked", "release"],
        ["orders", "parked", "release", "x", "--all"],
        ["orders", "show", "caf\udce9"],
        ["health", "nobody"],
        ["carrier-sim"],
        ["carrier-sim", "--ledger", "l.db", "--delay-ms", "5"],
        ["carrier-sim", "--ledger", "l.db", "--failure-rate", "2"],
        ["payment-sim"],
        ["payment-sim", "--ledger", "l.db", "--decline-rate", "2"],
        ["payment-sim", "--ledger", "l.db", "--port", "70000"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_2_before_anything_is_called(tool: Tool, arguments: list[str]) -> None:
    done = tool(*arguments, orders_url=NOBODY)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr or done.stdout.startswith("Usage:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["orders", "list"],
        ["orders", "show", "x"],
        ["orders", "import", str(SAMPLE)],
        ["orders", "parked", "list"],
        ["orders", "parked", "release", "--all"],
    ],
)
def test_an_absent_order_service_is_one_line_that_says_what_to_do(tool: Tool, arguments: list[str]) -> None:
    done = tool(*arguments, orders_url=NOBODY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == (
        f"no Order Service answers at {NOBODY}: start one with `orderflow up`, or set ORDERFLOW_ORDERS_URL"
    )


def test_wrong_and_misspelt_settings_are_named(tool: Tool) -> None:
    done = tool("migrate", port="99999", databse_url="x")
    assert done.returncode == 2
    assert "ORDERFLOW_PORT: " in done.stderr
    assert (
        "ORDERFLOW_DATABSE_URL: there is no such setting; did you mean ORDERFLOW_DATABASE_URL?" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_config_show_tells_sources_and_no_secret(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "orderflow.toml").write_text('orders_topic = "mine"\n')
    settings = {"config": "orderflow.toml", "api_key": "s3cret", "database_url": "postgresql://u:s3cret@h/d"}
    shown = tool("config", "show", "--json", **settings)
    assert "s3cret" not in shown.stdout + tool("config", "show", **settings).stdout
    sources = {each["name"]: each["source"] for each in json.loads(shown.stdout)}
    assert sources["ORDERFLOW_ORDERS_TOPIC"] == "file"
    assert sources["ORDERFLOW_API_KEY"] == "environment"
    assert sources["ORDERFLOW_PORT"] == "default"


def test_config_check_changes_nothing_and_names_what_is_wrong(tool: Tool, tmp_path: Path) -> None:
    assert tool("config", "check").returncode == 0
    assert list(tmp_path.iterdir()) == []
    done = tool("config", "check", "--json", database_url="postgresql://u:s3cret@127.0.0.1:9/d")
    assert done.returncode == 1
    findings = {each["part"]: each["ok"] for each in json.loads(done.stdout)}
    assert findings == {"settings": True, "orders database": False, "fulfillment database": True, "bus": True}
    assert "s3cret" not in done.stdout + done.stderr


def test_config_check_asks_for_a_migration_where_none_runs_at_start(tool: Tool, tmp_path: Path) -> None:
    for name in ("orders.db", "fulfillment.db"):
        (tmp_path / name).touch()
    settings = {
        "env": "prod",
        "database_url": f"sqlite:///{tmp_path}/orders.db",
        "fulfillment_database_url": f"sqlite:///{tmp_path}/fulfillment.db",
        "bus_url": "embedded:",
        "data_dir": str(tmp_path),
        "carrier": "simulated",
    }
    done = tool("config", "check", **settings)
    assert done.returncode == 1
    assert done.stdout.count("run `orderflow migrate` first") == 2
    assert tool("migrate", **settings).returncode == 0
    assert tool("config", "check", **settings).returncode == 0


def test_the_plan_of_a_migration_is_shown_and_changes_nothing(tool: Tool) -> None:
    shown = tool("migrate", "--plan")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0] == "orders: no schema yet"
    assert "  0005 contract: The steps of an order's saga" in shown.stdout
    planned = json.loads(tool("migrate", "--plan", "--json").stdout)
    assert [(each["context"], each["found"]) for each in planned] == [("orders", None), ("fulfillment", None)]
    assert planned[0]["steps"][0]["revision"] == "0001"
    assert tool("migrate").stdout.startswith("orders: 0001")
    assert tool("migrate", "--plan").stdout.count("nothing to apply") == 2


def test_migrate_tells_what_it_applied_and_then_that_nothing_is_left(tool: Tool) -> None:
    assert tool("migrate").stdout.startswith("orders: 0001")
    assert tool("migrate").stdout == "orders: nothing to apply\nfulfillment: nothing to apply\n"


@pytest.mark.parametrize("simulator", ["carrier-sim", "payment-sim"])
def test_a_simulator_serves_until_sigterm_and_exits_0(simulator: str, start: StartRole) -> None:
    role = start(simulator, "--port", "0", "--ledger", "ledger.db")
    eventually(lambda: f"{simulator} listens on http://127.0.0.1:" in role.output, "it tells its address")
    assert role.stop() == 0


def test_an_order_is_created_waited_for_shown_and_listed(tool: Tool, up: Up) -> None:
    options = [
        "--customer-id",
        "c-new",
        "--name",
        "Ada [red]",
        "--item",
        "A1:2:1250:EUR",
        "--idempotency-key",
        " Bestellung-ü-\U0001f600 ",
    ]
    done = tool("orders", "create", *options, "--wait", "--json", **up.urls)
    assert done.returncode == 0, done.stderr
    order: dict[str, Any] = json.loads(done.stdout)
    assert order["status"] == "Shipped"
    assert (
        json.loads(tool("orders", "create", *options, "--json", **up.urls).stdout)["orderId"]
        == order["orderId"]
    )
    shown = tool("orders", "show", order["orderId"], **up.urls)
    assert shown.stdout.startswith(f"{order['orderId']}: done: shipped\n")
    assert "Ada [red]" in shown.stdout
    assert "OrderCreated" in shown.stdout
    assert "its steps" in shown.stdout
    whole = json.loads(tool("orders", "show", order["orderId"], "--timeline", "--json", **up.urls).stdout)
    assert whole.items() >= order.items()
    assert (whole["waitsFor"], whole["untold"], whole["deadLetters"]) == ("done: shipped", {}, [])
    assert whole["timeline"][0]["actor"] == "anonymous"
    assert whole["shipment"]["waitsFor"] == "done: shipped"
    listed = tool("orders", "list", "--customer-id", "c-new", "--json", **up.urls)
    assert json.loads(listed.stdout) == [order]
    named = (
        ("--idempotency-key", options[-1]),
        ("--tracking-number", order["fulfillment"]["trackingNumber"]),
    )
    for option in named:
        assert json.loads(tool("orders", "list", *option, "--json", **up.urls).stdout) == [order]
    table = tool("orders", "list", "--customer-id", "c-new", **up.urls).stdout
    assert order["orderId"] in table
    assert "Ada" not in table


def test_the_story_of_an_order_is_told_as_far_as_one_service_knows_it(tool: Tool, up: Up) -> None:
    order: dict[str, Any] = json.loads(
        tool("orders", "create", "-", "--wait", "--json", stdin=ORDER, **up.urls).stdout
    )
    order_id = order["orderId"]
    alone = tool("orders", "show", order_id, **{**up.urls, "fulfillment_url": NOBODY})
    assert alone.returncode == 0
    assert "Ada" in alone.stdout
    assert f"fulfillment tells nothing: no Fulfillment Service answers at {NOBODY}" in alone.stderr
    other = tool("orders", "show", order_id, "--json", **{**up.urls, "orders_url": NOBODY})
    told = json.loads(other.stdout)
    assert (other.returncode, told["orderId"], told["waitsFor"]) == (1, order_id, "done: shipped")
    assert "orders tells nothing: no Order Service answers" in other.stderr
    nothing = tool("orders", "show", order_id, orders_url=NOBODY, fulfillment_url=NOBODY)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "no Order Service answers" in nothing.stderr


def test_a_refusal_is_told_in_words_with_its_correlation_id(tool: Tool, up: Up) -> None:
    done = tool("orders", "create", "-", stdin=ORDER.replace("1}", "0}"), **up.urls)
    assert (done.returncode, done.stdout) == (1, "")
    title, pointer, correlation = done.stderr.splitlines()
    assert title.startswith("Validation failed: ")
    assert pointer.startswith("  /items/0/quantity: ")
    assert correlation.startswith("  correlation id ")


def test_health_is_0_only_if_every_role_asked_is_ready(tool: Tool, up: Up) -> None:
    assert tool("health", **up.urls).returncode == 0
    answers = json.loads(tool("health", "api", "--json", **up.urls).stdout)
    assert [(each["role"], each["state"]) for each in answers] == [("api", "ready")]
    done = tool("health", **{**up.urls, "fulfillment_url": NOBODY})
    assert done.returncode == 1
    assert "api: ready" in done.stdout


def test_an_import_takes_what_it_can_and_explains_the_rest(tool: Tool, up: Up, tmp_path: Path) -> None:
    good = [ORDER.replace("c-1", f"c-mixed-{number}") for number in range(3)]
    bad = ORDER.replace("1}", "0}")
    (tmp_path / "mixed.ndjson").write_text("\n".join([good[0], "nope", good[1], bad, good[2]]))
    done = tool("orders", "import", "mixed.ndjson", **up.urls)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("nothing was placed: of mixed.ndjson, 4 orders can be read and 1 cannot\n")
    assert "  line 2: It is not JSON: " in done.stderr
    assert json.loads(tool("orders", "list", "--customer-id", "c-mixed-0", "--json", **up.urls).stdout) == []
    done = tool("orders", "import", "mixed.ndjson", "--json", "--skip-unreadable", **up.urls)
    assert done.returncode == 1
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["line"], each["status"]) for each in results] == [
        (1, 201),
        (2, 400),
        (3, 201),
        (4, 422),
        (5, 201),
    ]
    refused = [json.loads(line) for line in (tmp_path / "mixed.refused.ndjson").read_text().splitlines()]
    assert [(each["line"], each["input"]) for each in refused] == [(2, "nope"), (4, bad)]
    assert refused[1]["problem"]["errors"][0]["pointer"] == "/items/0/quantity"


def test_an_import_that_is_repeated_places_nothing_twice(tool: Tool, up: Up) -> None:
    first = tool("orders", "import", str(SAMPLE), **up.urls)
    assert (first.returncode, first.stdout) == (0, "created 40, replayed 0, refused 0\n"), first.stderr
    again = tool("orders", "import", str(SAMPLE), **up.urls)
    assert (again.returncode, again.stdout) == (0, "created 0, replayed 40, refused 0\n"), again.stderr


def test_an_exported_array_is_imported_from_a_pipe(tool: Tool, up: Up) -> None:
    orders = [json.loads(ORDER.replace("c-1", f"c-array-{number}")) for number in range(3)]
    text = "\ufeff" + json.dumps(orders, indent=2)
    first = tool("orders", "import", "-", stdin=text, **up.urls)
    assert (first.returncode, first.stdout) == (0, "created 3, replayed 0, refused 0\n"), first.stderr
    again = tool("orders", "import", "/dev/stdin", stdin=text, **up.urls)
    assert (again.returncode, again.stdout) == (0, "created 0, replayed 3, refused 0\n"), again.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf_8_shows_every_order(tool: Tool, up: Up, encoding: str) -> None:
    options = ["--customer-id", "c-žluťoučký", "--name", "Ж \u202eevil", "--item", "A:1"]
    order_id = json.loads(tool("orders", "create", *options, "--json", **up.urls).stdout)["orderId"]

    def told(*arguments: str) -> str:
        env = environment(up.urls) | {"PYTHONIOENCODING": encoding}
        done = subprocess.run([*ORDERFLOW, *arguments], capture_output=True, env=env, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    assert "\\u0165ou\\u010dk" in told("orders", "list", "--customer-id", "c-žluťoučký")
    assert "\\u0416 \\u202eevil" in told("orders", "show", order_id)
    assert json.loads(told("orders", "show", order_id, "--json"))["customer"]["name"] == "Ж \u202eevil"


def test_an_import_outlives_the_death_of_the_order_service_and_loses_or_doubles_no_line(
    start: StartRole, tmp_path: Path
) -> None:
    lines = 4_000
    (tmp_path / "many.ndjson").write_text("\n".join(ORDER.replace("p-1", f"p-{n}") for n in range(lines)))
    up = Up(start, tmp_path)
    settings = {name.upper(): value for name, value in up.urls.items()}
    importing = start("orders", "import", "many.ndjson", "--json", **settings)
    eventually(lambda: '"line": 300,' in importing.output, "a part is imported")
    up.role.kill()
    assert importing.process.poll() is None
    up.start()
    assert importing.process.wait(timeout=100) == 0
    assert len({each["orderId"] for each in importing.log_lines()}) == lines
    placed = Counter(each["items"][0]["productId"] for each in all_orders(up.urls["orders_url"]))
    assert placed == Counter(f"p-{n}" for n in range(lines))
    assert up.role.stop() == 0
