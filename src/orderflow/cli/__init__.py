"""The command line: one role or tool per command (CONTRACT, "Commands").

Exit codes: 0 done, 1 failed, 2 wrong use. Expected failures are reported in a line or two on stderr, never by
a traceback. Commands import their parts when they run, so that each starts fast.
"""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from orderflow.cli import (
    archive,
    configuration,
    customers,
    dead_letters,
    demo,
    health,
    keys,
    migration,
    move,
    orders,
    orders_import,
    orders_tail,
    parked,
    recover,
    roles,
    simulators,
    stock,
    webhooks,
)
from orderflow.cli.audit import log as audit_log
from orderflow.cli.audit import run as audit_run
from orderflow.cli.terminal import CommandFailed, WrongUse, complain, use_any_encoding

EXIT_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130

COMPLETION = "--install-completion"
"""It tells what it has done by itself; where it cannot, it ends the process with 1."""


def version() -> int:
    """Print the version of Orderflow."""
    sys.stdout.write(_version() + "\n")
    return 0


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the process's exit code."""
    use_any_encoding()
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output has gone. Python must not fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _run(arguments: Sequence[str]) -> int:
    try:
        for argument in arguments:
            if not argument.isascii() and any("\ud800" <= c <= "\udfff" for c in argument):
                raise WrongUse(f"the argument {argument!r} is not UTF-8")
        code: object = _app()(
            list(arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (CycloptsError, WrongUse) as error:
        complain(str(error))
        return EXIT_WRONG_USE
    except CommandFailed as failure:
        complain(str(failure))
        return EXIT_FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED
    if isinstance(code, int):
        return code
    # No command of ours ran. Help or the version was printed, on request or because no command was given.
    return 0 if {"--help", "-h", "--version", COMPLETION}.intersection(arguments) else EXIT_WRONG_USE


def _app() -> App:
    app = App(
        name="orderflow",
        help="Takes orders over HTTP and ships them: none lost, none shipped twice.",
        version=_version,
        suppress_keyboard_interrupt=False,
    )
    app.command(roles.up)
    app.command(roles.api)
    app.command(roles.relay)
    app.command(roles.fulfillment)
    app.command(simulators.carrier_sim)
    app.command(simulators.payment_sim)
    app.command(migration.migrate)
    app.command(move.move)
    app.command(recover.recover)
    app.command(_orders())
    letters = App(name="dead-letters", help="What waits for a person: look, put back on its way, give up.")
    letters.command(dead_letters.list_letters, name="list")
    letters.command(dead_letters.show)
    letters.command(dead_letters.redrive)
    letters.command(dead_letters.discard)
    app.command(letters)
    pieces = App(name="stock", help="What there is of each product that is tracked.")
    pieces.command(stock.list_stock, name="list")
    pieces.command(stock.set_on_hand, name="set")
    app.command(pieces)
    app.command(_webhooks())
    secrets = App(name="keys", help="API keys: who may call both services, and what for.")
    secrets.command(keys.create)
    secrets.command(keys.list_keys, name="list")
    secrets.command(keys.revoke)
    app.command(secrets)
    audits = App(name="audit", help="Check that nothing is lost, stuck or shipped twice; who changed what.")
    audits.default(audit_run.audit)
    audits.command(audit_log.log)
    app.command(audits)
    archives = App(name="archive", help="Files to which retention has moved what is old: look, put back.")
    archives.command(archive.show)
    archives.command(archive.restore)
    app.command(archives)
    people = App(name="customers", help="What both services know about a customer.")
    people.command(customers.erase)
    app.command(people)
    config = App(name="config", help="What the settings are, and whether they work.")
    config.command(configuration.show)
    config.command(configuration.check)
    app.command(config)
    app.command(demo.demo)
    app.command(health.health)
    app.command(version)
    app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType]  # untyped **kwargs
        COMPLETION, help="Have the shell complete commands and options."
    )
    return app


def _orders() -> App:
    tools = App(name="orders", help="Place orders with the Order Service, look at them, cancel or hold them.")
    tools.command(orders.list_orders, name="list")
    tools.command(orders.show)
    tools.command(orders.create)
    tools.command(orders.cancel)
    tools.command(orders.hold)
    tools.command(orders.release)
    tools.command(orders_import.import_orders, name="import")
    tools.command(orders_tail.tail)
    events = App(name="parked", help="Events that the event log refuses for their size: look, send again.")
    events.command(parked.list_parked, name="list")
    events.command(parked.release)
    tools.command(events)
    return tools


def _webhooks() -> App:
    tools = App(name="webhooks", help="Addresses that get each change of an order, signed.")
    tools.command(webhooks.add)
    tools.command(webhooks.list_webhooks, name="list")
    tools.command(webhooks.remove)
    tools.command(webhooks.send_test, name="test")
    tools.command(webhooks.list_dead_letters, name="dead-letters")
    tools.command(webhooks.redrive)
    tools.command(webhooks.discard)
    tools.command(webhooks.rotate)
    return tools


def _version() -> str:
    from importlib import metadata

    return metadata.version("orderflow")
