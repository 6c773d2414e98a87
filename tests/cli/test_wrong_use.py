"""Wrong input to any command: a line that says what is wrong, exit code 2 or 1, and never a traceback."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderflow import cli

NOBODY = "http://127.0.0.1:9"
LETTER = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
CREATE = ["orders", "create", "--customer-id", "c", "--name", "n", "--item", "A:1"]
SIM = ["carrier-sim", "--ledger", "l.db", "--port", "0"]

WRONG = [
    ["orders", "list", "--limit", "nan"],
    ["orders", "list", "--limit", "-1"],
    ["orders", "list", "--limit", "1e3"],
    ["orders", "list", "--limit", "1.5"],
    ["orders", "list", "--attention", "x"],
    ["dead-letters", "list", "--limit", "1.5"],
    ["dead-letters", "redrive", "--kind", "x", "--rate", "1.5"],
    ["orders", "parked", "list", "--limit", "1.5"],
    ["stock", "list", "--limit", "1.5"],
    [*SIM, "--seed", "1.5"],
    ["orders", "show", "-x"],
    ["orders", "show", "a", "b"],
    ["orders", "cancel"],
    ["orders", "hold", "a", "b"],
    ["orders", "release", "a", "--reason"],
    ["orders", "import"],
    ["orders", "import", "-x"],
    ["orders", "import", "f", "--refused"],
    ["orders", "create", "-", "--item", "A:1"],
    ["orders", "create", "-x"],
    [*CREATE, "--wait-seconds", "nan"],
    [*CREATE, "--wait-seconds", "inf"],
    [*CREATE, "--wait-seconds", "0"],
    [*CREATE, "--wait-seconds", "-1"],
    [*CREATE, "--item", "A:\u0661"],
    [*CREATE, "--item", ""],
    [*CREATE, "--idempotency-key", ""],
    [*CREATE, "--idempotency-key", "x" * 256],
    [*CREATE, "--idempotency-key", " \t"],
    [*CREATE, "--idempotency-key", "a\x1bb"],
    ["dead-letters", "list", "--limit", "0"],
    ["dead-letters", "list", "--groups", "--kind", "x"],
    ["dead-letters", "redrive"],
    ["dead-letters", "redrive", LETTER, "--kind", "x"],
    ["dead-letters", "redrive", "--kind", "x", "--rate", "0"],
    ["dead-letters", "redrive", "--kind", "x", "--rate", "101"],
    ["dead-letters", "redrive", LETTER, "--reason", "x"],
    ["dead-letters", "discard", LETTER],
    ["stock", "list", "--limit", "0"],
    ["stock", "list", "x"],
    ["stock", "set"],
    ["stock", "set", "p"],
    ["stock", "set", "p", "x"],
    ["stock", "set", "p", "-1"],
    ["stock", "set", "p", "1.5"],
    ["stock", "set", "p", "1e3"],
    ["stock", "set", "p", "1_0"],
    ["stock", "set", "p", " 1"],
    ["stock", "set", "p", "\u0661"],
    ["stock", "set", "p", "9" * 5000],
    ["stock", "set", "p", str(10**12 + 1)],
    ["stock", "set", "", "1"],
    ["stock", "set", "..", "1"],
    ["stock", "set", "p", "1", "2"],
    ["customers", "erase"],
    ["customers", "erase", "c"],
    ["customers", "erase", "c", "--yes", "x"],
    [*SIM, "--delay-ms", "5-1"],
    [*SIM, "--delay-ms", "\u0661-\u0662"],
    [*SIM, "--delay-ms", "0-" + "9" * 5000],
    [*SIM, "--error-rate", "nan"],
    [*SIM, "--failure-rate", "-0.1"],
    [*SIM, "--key-lifetime-s", "nan"],
    [*SIM, "--key-lifetime-s", "0"],
    [*SIM, "--failure-rate", "1.1"],
    [*SIM, "--seed", "x"],
    [*SIM, "--seed", str(10**23)],
    [*SIM, "--seed", str(-(2**63) - 1)],
    [*SIM, "--port", "65536"],
    [*SIM, "--port", "-1"],
    ["health", "nobody"],
    ["config", "show", "x"],
    ["migrate", "--json"],
    ["migrate", "--plan", "--contract"],
    ["audit", "log", "x"],
    ["audit", "log", "--limit", "0"],
    ["audit", "log", "--service", "carrier"],
    *([role, "x"] for role in ("up", "api", "relay", "fulfillment", "migrate", "version")),
    *([role, "--x"] for role in ("up", "api", "relay", "fulfillment", "migrate", "version")),
]


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORDERFLOW_ORDERS_URL", NOBODY)
    monkeypatch.setenv("ORDERFLOW_FULFILLMENT_URL", NOBODY)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments)[:60])
def test_wrong_use_is_a_line_and_exit_code_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1), told
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_share_or_seed_is_told_with_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    for option, value in (("--seed", str(2**63)), ("--failure-rate", "2"), ("--error-rate", "nan")):
        assert cli.run([*SIM, option, value]) == 2
        assert option in capsys.readouterr().err


COMMANDS = [
    ["orders", "list"],
    ["orders", "show"],
    ["orders", "create"],
    CREATE,
    ["orders", "import"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["dead-letters", "redrive"],
    ["dead-letters", "discard"],
    ["stock", "list"],
    ["stock", "set"],
    ["audit", "log"],
    [*SIM, "--delay-ms", "wrong"],
    ["config", "show"],
    ["health"],
    ["version"],
]
HOSTILE = st.sampled_from(
    [
        *(
            "",
            " ",
            "-",
            "--",
            "-9",
            "--x",
            "--limit",
            "--limit=-1",
            "--limit=",
            "--all",
            "--json",
            "--no-json",
        ),
        *("--wait", "--item", "--item=A:1", "--kind=x", "--rate", "--reason=-x", "--refused=/", "--seed=x"),
        *(
            "nan",
            "1e999",
            "9" * 5000,
            "\udcff",
            "\x1b[2J",
            "\u202e",
            "\U0001f600",
            "/",
            "/dev/null",
            "..",
            "%s",
        ),
        *("{x}", "[red]", "\n", "a" * 10_000, "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60", "../../x", "?a=b", "#"),
    ]
) | st.text(max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(COMMANDS), arguments=st.lists(HOSTILE, max_size=4))
def test_no_arguments_at_all_lead_to_a_traceback(
    command: list[str], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.run([*command, *arguments])
    told = capsys.readouterr()
    assert code in (0, 1, 2)
    assert "Traceback" not in told.err
    assert code == 0 or told.err or told.out, "a failure says why"
