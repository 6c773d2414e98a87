"""The simulated carrier over HTTP, in development: how slow it is, and how often it rejects and fails."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from orderflow.fulfillment.carriers.simulated import DELAY_MS_MAX, SimulatedCarrier
from orderflow.web.answers import json_response
from orderflow.web.bodies import read_model
from orderflow.web.problems import ProblemError

SIMULATED_CARRIER = "/api/fulfillment/simulated-carrier"

_DelayMs = Annotated[int, Field(ge=0, le=DELAY_MS_MAX)]
_Share = Annotated[float, Field(ge=0, le=1)]


class BehaviourIn(BaseModel):
    """How the carrier behaves from the next call on. The delay is drawn between least and most."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)

    delay_ms_least: _DelayMs
    delay_ms_most: _DelayMs
    failure_rate: _Share
    error_rate: _Share

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.delay_ms_least > self.delay_ms_most:
            raise ValueError("the least delay is more than the most")
        return self


class SimulationApi:
    """The endpoints. Without a carrier that may be changed, there is nothing at their address."""

    def __init__(self, carrier: SimulatedCarrier | None) -> None:
        self._carrier = carrier

    async def read(self, _request: Request) -> Response:
        return _told(self._changeable())

    async def write(self, request: Request) -> Response:
        carrier = self._changeable()
        wanted = await read_model(BehaviourIn, request)
        carrier.behave(
            delay_ms=(wanted.delay_ms_least, wanted.delay_ms_most),
            failure_rate=wanted.failure_rate,
            error_rate=wanted.error_rate,
        )
        return _told(carrier)

    def _changeable(self) -> SimulatedCarrier:
        if self._carrier is None:
            raise ProblemError(404, "Only a simulated carrier can be changed, and only in development.")
        return self._carrier


def _told(carrier: SimulatedCarrier) -> Response:
    outcomes = carrier.outcomes
    least, most = outcomes.delay_ms
    told = {"delayMsLeast": least, "delayMsMost": most}
    return json_response({**told, "failureRate": outcomes.failure_rate, "errorRate": outcomes.error_rate})
