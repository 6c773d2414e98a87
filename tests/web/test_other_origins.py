"""A page of another origin, in a real browser, places no order and redrives nothing, unless its origin is
named."""

import functools
import http.client
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing
from tests.web.conftest import listening

PAGE = """<!doctype html><title>evil</title><pre id=told></pre>
<form id=f method=post enctype="text/plain" target=frame action="{orders}/api/orders">
<input name='{form}'></form><iframe name=frame></iframe>
<script>
const body = '{order}', redrive = '{{"kind":"payment"}}', told = [];
const orders = "{orders}/api/orders", letters = "{fulfillment}/api/fulfillment/dead-letters/redrive";
const json = {{"content-type": "application/json"}}, mode = "no-cors", method = "POST";
const tries = {{
  "json": [orders, {{method, body, headers: json}}],
  "text": [orders, {{method, body}}],
  "blind": [orders, {{method, body, mode}}],
  "blind without a type": [orders, {{method, mode, body: new Blob([body])}}],
  "redrive": [letters, {{method, body: redrive, headers: json}}],
  "blind redrive": [letters, {{method, body: redrive, mode}}],
  "read": [orders, {{}}],
}};
(async () => {{
  for (const [name, [url, how]] of Object.entries(tries)) {{
    try {{ told.push(name + ": " + (await fetch(url, how)).status); }}
    catch (error) {{ told.push(name + ": refused"); }}
  }}
  document.getElementById("f").submit();
  await fetch("/done");
  document.getElementById("told").textContent = told.join("; ");
}})();
</script>"""
ORDER = '{"customer":{"customerId":"c-1","name":"Mallory"},"items":[{"productId":"p-1","quantity":1}]}'


@contextmanager
def evil_page(directory: Path, orders: int, fulfillment: int) -> Generator[int]:
    """The port of a page that tries what it can; to the browser it is another origin."""
    text = PAGE.format(
        orders=f"http://127.0.0.1:{orders}",
        fulfillment=f"http://127.0.0.1:{fulfillment}",
        order=ORDER,
        form=ORDER[:-1] + ',"x":"',
    )
    (directory / "index.html").write_text(text)
    (directory / "done").write_text("")
    with page_of(directory) as port:
        yield port


def orders_of(port: int) -> list[object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/orders")
    items: list[object] = json.loads(connection.getresponse().read())["items"]
    connection.close()
    return items


NAMED_PAGE = """<!doctype html><title>shop</title><pre id=told></pre>
<script>
const told = [];
(async () => {{
  for (const headers of [{{"content-type": "application/json"}}, {{}}]) {{
    try {{
      const answer = await fetch("{orders}/api/orders", {{method: "POST", body: '{order}', headers}});
      told.push(answer.status + " " + Boolean(answer.headers.get("x-correlation-id")));
    }} catch (error) {{ told.push("refused"); }}
  }}
  document.getElementById("told").textContent = told.join("; ");
}})();
</script>"""


@contextmanager
def page_of(directory: Path) -> Generator[int]:
    """The port at which the files of a folder are pages."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def told(profile: Path, url: str) -> list[str]:
    """What the page tells in a real browser, as soon as it has tried everything."""
    browser = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000", "--dump-dom"]
    shown = subprocess.run(
        [browser, *flags, f"--user-data-dir={profile}", url], capture_output=True, timeout=100, check=True
    ).stdout.decode()
    return shown.partition('<pre id="told">')[2].partition("</pre>")[0].split("; ")


def test_a_page_places_an_order_and_reads_the_answer_only_from_the_origin_that_is_named(
    tmp_path: Path,
) -> None:
    for name in ("orders", "page"):
        (tmp_path / name).mkdir()
    with page_of(tmp_path / "page") as page:
        named = f"http://shop.localhost:{page}"
        with listening("orders", tmp_path / "orders", cors_origins=[named]) as orders:
            text = NAMED_PAGE.format(orders=f"http://127.0.0.1:{orders}", order=ORDER)
            (tmp_path / "page" / "index.html").write_text(text)
            # The same page, and the same server of pages, under a name that nobody has named.
            unnamed = told(tmp_path / "profile-1", f"http://other.localhost:{page}/index.html")
            assert unnamed == ["refused", "refused"]
            assert orders_of(orders) == []
            # Even then an order needs its content type.
            assert told(tmp_path / "profile-2", f"{named}/index.html") == ["201 true", "415 true"]
            assert len(orders_of(orders)) == 1


def test_a_page_of_another_origin_changes_nothing_and_reads_nothing(tmp_path: Path) -> None:
    for name in ("orders", "fulfillment", "page"):
        (tmp_path / name).mkdir()
    with (
        listening("orders", tmp_path / "orders") as orders,
        listening("fulfillment", tmp_path / "fulfillment") as fulfillment,
        evil_page(tmp_path / "page", orders, fulfillment) as page,
    ):
        tried = told(tmp_path / "profile", f"http://localhost:{page}/index.html")
        assert orders_of(orders) == []
    assert tried == [
        "json: refused",
        "text: refused",
        "blind: refused",
        "blind without a type: refused",
        "redrive: refused",
        "blind redrive: refused",
        "read: refused",
    ]
