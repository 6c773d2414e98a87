"""The rates that `ORDERFLOW_RATE_LIMIT` names, such as `1000/s per key, 600/m per address`."""

import re
from typing import Literal, NamedTuple, cast

_RULE = re.compile(r"(?P<count>[1-9][0-9]{0,8})/(?P<unit>[smh]) per (?P<whom>key|address)")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3_600.0}


class Rate(NamedTuple):
    """So many `requests` in `period_s` seconds."""

    requests: int
    period_s: float


Rates = dict[Literal["key", "address"], Rate]
"""What each key and each address may send; none without an entry."""


def parse_rates(text: str) -> Rates:
    """Raises ValueError."""
    rates: Rates = {}
    for part in text.split(",") if text else ():
        found = _RULE.fullmatch(part.strip())
        if found is None or found["whom"] in rates:
            raise ValueError("must look like 1000/s per key, 600/m per address, with s, m or h")
        whom = cast('Literal["key", "address"]', found["whom"])
        rates[whom] = Rate(int(found["count"]), _UNIT_S[found["unit"]])
    return rates
