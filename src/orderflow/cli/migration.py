"""`migrate`: brings both databases to what this release needs, or shows what that would do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import Json, load_settings
from orderflow.cli.roles import expected_errors
from orderflow.cli.terminal import WrongUse, write_line, write_list


def migrate(
    *,
    contract: Annotated[
        bool,
        Parameter(
            negative="",
            help="Also take away what the release before still uses: only once none of its processes runs.",
        ),
    ] = False,
    plan: Annotated[
        bool, Parameter(negative="", help="Only show what is to be applied, and what waits for it.")
    ] = False,
    json: Json = False,
) -> int:
    """Bring both databases to what this release needs, while processes of the release before go on.

    Safe to repeat, and to run twice at once. An empty database gets the newest schema.
    """
    if plan and contract:
        raise WrongUse("--plan shows everything, so --contract does not go with it")
    if json and not plan:
        raise WrongUse("--json goes with --plan")
    settings = load_settings()
    from orderflow.app import databases
    from orderflow.database.migration_plan import lines
    from orderflow.database.opening import migrated, planned
    from orderflow.runtime.telemetry import configure_logging

    configure_logging(settings.log_format, settings.log_level, "orderflow-migrate")
    if plan:
        with expected_errors():
            plans = [planned(source) for source in databases(settings)]
        if json:
            write_list([asdict(each) for each in plans])
        else:
            for each in plans:
                for line in lines(each):
                    write_line(line)
        return 0
    with expected_errors():
        done = [migrated(source, contract=contract) for source in databases(settings)]
    for applied, left in done:
        context = left.context
        write_line(f"{context}: {', '.join(applied) if applied else 'nothing to apply'}")
        if left.steps:
            revisions = ", ".join(step.revision for step in left.steps)
            write_line(
                f"{context}: {revisions} for `orderflow migrate --contract`, "
                "once no process of the release before runs"
            )
    return 0
