"""What `orderflow up` tells whoever starts it."""

import shutil
from pathlib import Path

from orderflow.settings import Settings


def announcement(settings: Settings, orders_url: str, *, called: str) -> str:
    """The address, a first order, and where its data lies. `called` is how this program was called: with
    `make run` the shell of whoever reads this does not find it by its name alone."""
    program = called if Path(called).name == "orderflow" and not shutil.which("orderflow") else "orderflow"
    usual = str(Settings.model_fields["orders_url"].default)
    tool_setting = "" if orders_url == usual else f"ORDERFLOW_ORDERS_URL={orders_url} "
    page = "" if settings.console == "off" else "; open it in a browser to watch them"
    return f"""
Orderflow takes orders at {orders_url} (API: {orders_url}/docs){page}. Its data lies in {settings.data_dir}/.
Place one, and see it ship:

  curl -s {orders_url}/api/orders -H 'content-type: application/json' \\
    -d '{{"customer":{{"customerId":"c-1","name":"Ada"}},"items":[{{"productId":"p-1","quantity":2}}]}}'

  {tool_setting}{program} orders list
"""
