"""Stock over HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.orders_api import Id, Reason, Whole
from orderflow.contracts.pages import TextPageQuery
from orderflow.database.audit import ByHand
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment.audit import AUDIT_LOG
from orderflow.fulfillment.stock import records
from orderflow.fulfillment.stock.records import ON_HAND_MAX, SetOnHand
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response, json_text
from orderflow.web.bodies import read_model
from orderflow.web.headers import read_query
from orderflow.web.problems import broken_contract, field_error

STOCK = "/api/fulfillment/stock"

_SET_ON_HAND = AUDIT_LOG.recording(records.set_on_hand, lambda record: {"onHand": record.on_hand})

_PRODUCT_ID: TypeAdapter[str] = TypeAdapter(Id)


class StockQuery(TextPageQuery):
    product_id: Id | None = None


class CountIn(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)

    on_hand: Annotated[Whole, Field(ge=0, le=ON_HAND_MAX)]
    reason: Reason | None = None


class StockApi:
    """The endpoints of stock."""

    def __init__(self, *, writer: GroupCommit, reader: Reader, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def list_stock(self, request: Request) -> Response:
        query = read_query(StockQuery, request)
        page = await self._reader.run(
            records.list_stock, product_id=query.product_id, limit=query.limit, after=query.cursor
        )
        return json_text(page)

    async def set_on_hand(self, request: Request) -> Response:
        product_id = _product_id(request)
        body = await read_model(CountIn, request)
        now = self._clock()
        made = act_of(caller(request), now, "stock.set", product_id, reason=body.reason)
        command = SetOnHand(product_id, body.on_hand, now)
        record = await self._writer.submit_one(_SET_ON_HAND, ByHand(command, made))
        return json_response(records.document(record))


def _product_id(request: Request) -> str:
    """The id from the path, byte for byte. Raises ProblemError 422. Starlette's own parameter would be
    without a line feed at its end, and with other characters in place of bytes that are not UTF-8: it could
    name another product."""
    try:
        path = unquote(request.scope["raw_path"].decode("ascii"), errors="strict")
        return _PRODUCT_ID.validate_python(path.removeprefix(f"{STOCK}/"))
    except (UnicodeDecodeError, ValidationError):
        why = "must be a product id: 1 to 200 printable characters, no white space at the end"
        raise broken_contract([field_error(("productId",), why, "path")]) from None
