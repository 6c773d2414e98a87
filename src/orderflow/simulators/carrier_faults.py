"""What carrier-sim can be made to do wrong, beside what `faults.py` lists: `no-tracking-number`, a label that
lacks it. `"call"` is `create` (the default), `find` or `void`."""

from orderflow.simulators.faults import Fault


class CarrierFault(Fault):
    calls = ("create", "find", "void")
    incomplete = "no-tracking-number"

    call: str = "create"

    def incomplete_content(self) -> object:
        label = {"shipmentId": "S-1", "carrier": "Simulated", "trackingNumber": "", "shippedAt": None}
        return {"shipments": [label | {"state": "live"}]} if self.call == "find" else label
