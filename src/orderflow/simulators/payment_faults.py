"""What payment-sim can be made to do wrong, beside what `faults.py` lists: `no-authorization-id`, an answer
that lacks it, and `decline`, which is remembered under the key as any decline is.

`"call"` is `authorize` (the default), `find`, `capture`, `void` or `refund`. Only `authorize` can
be declined.
"""

from typing import Self

from pydantic import model_validator

from orderflow.simulators.faults import Fault

DECLINED = "decline"


class PaymentFault(Fault):
    calls = ("authorize", "find", "capture", "void", "refund")
    incomplete = "no-authorization-id"
    decisions = frozenset({DECLINED})

    call: str = "authorize"

    @model_validator(mode="after")
    def _declines_authorizations_only(self) -> Self:
        if self.kind == DECLINED and self.call != "authorize":
            raise ValueError("only an authorization can be declined")
        return self

    def incomplete_content(self) -> object:
        payment = {"authorizationId": ""}
        return {"authorizations": [payment]} if self.call == "find" else payment
