"""The alerts are those that the script makes, fire for what they are about, and lead to a page that helps."""

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orderflow.cli import run
from orderflow.runtime.telemetry.metrics import CATALOGUE, REGISTRY

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "observability" / "prometheus" / "rules.yaml"
TESTED = Path(__file__).parent / "rules.test.yaml"
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
_METRIC = re.compile(r"\b(?:orderflow|http|db)_[a-z_]+\b")
_COMMAND = re.compile(r"`(orderflow [^`]+)`|^    (orderflow .+)$", re.MULTILINE)


def script() -> Any:
    file = ROOT / "deploy" / "observability" / "rules.py"
    spec = importlib.util.spec_from_file_location("rules", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def deployed() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(DEPLOYED.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in deployed() if "alert" in rule]


def test_the_rules_are_those_that_the_script_makes() -> None:
    assert DEPLOYED.read_text() == script().document(), (
        "run: python deploy/observability/rules.py > deploy/observability/prometheus/rules.yaml"
    )


@pytest.mark.parametrize("scale", [1, 0.01])
def test_prometheus_takes_the_rules_at_any_scale(promtool: str, scale: float, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(script().document(scale))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_for_its_fault_and_is_silent_without_it(promtool: str) -> None:
    done = subprocess.run([promtool, "test", "rules", TESTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = yaml.safe_load(TESTED.read_text())["tests"]
    checks = [check for case in cases for check in case.get("alert_rule_test", [])]
    names = {alert["alert"] for alert in alerts()}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == names
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == names


def test_every_metric_of_the_rules_is_in_the_catalogue() -> None:
    parts = {"histogram": ("_bucket", "_count", "_sum")}
    known = {each.name + part for each in CATALOGUE for part in parts.get(each.kind, ("",))}
    used = {name for rule in deployed() for name in _METRIC.findall(rule["expr"])}
    recorded = {rule["record"].partition(":")[0] for rule in deployed() if "record" in rule}
    assert recorded == {"orderflow"}
    labels = {label for each in CATALOGUE for label in each.labels}
    assert len(used) > 8
    assert used - known - labels == set()


def test_the_bound_of_the_objective_of_shipping_is_a_bucket() -> None:
    assert script().SHIPPED_WITHIN_S in REGISTRY.families["orderflow_order_to_shipped_seconds"].bounds


def test_every_alert_leads_to_a_page_of_its_own_and_no_page_is_left_over() -> None:
    assert {alert["annotations"]["runbook_url"] for alert in alerts()} == {
        str(page.relative_to(ROOT)) for page in RUNBOOKS
    }
    for alert in alerts():
        page = (ROOT / alert["annotations"]["runbook_url"]).read_text()
        assert page.startswith(f"# {alert['alert']}\n")
        assert {"## Look at", "## Mend"} < set(page.splitlines())


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_every_command_of_a_runbook_is_one_that_orderflow_has(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [inline or block for inline, block in _COMMAND.findall(page.read_text())]
    assert commands
    for command in commands:
        words = shlex.split(command)[1:]
        # What follows a word in capitals, a role or an option belongs to the command, not to its name.
        name = [word for word in _until_argument(words) if word not in ("api", "relay", "fulfillment")]
        options = {word for word in words if word.startswith("--")}
        assert run([*name, "--help"]) == 0, command
        shown = capsys.readouterr().out
        usage = f"Usage: orderflow {' '.join(name)}"
        # A group of commands is no command, unless it does something by itself.
        assert re.match(re.escape(usage) + r"(?! COMMAND\s*$)\s", shown, re.MULTILINE), command
        assert options <= set(re.findall(r"--[a-z-]+", shown)), command


def _until_argument(words: list[str]) -> list[str]:
    for number, word in enumerate(words):
        if word.startswith("-") or word.isupper():
            return words[:number]
    return words
