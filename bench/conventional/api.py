"""The Order Service of the proof of concept: FastAPI, an async ORM session per request, and the event sent to
Kafka after the commit and awaited before the answer.

Tuned as a careful team would: uvloop and httptools, no access log, no middleware, a pool of connections, rows
inserted in bulk by the unit of work, nothing read back after the commit.
"""

import importlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.conventional.model import Base, Order, OrderItem

# Imported by name: it is in the benchmark's own venv, where no type checker looks.
aiokafka: Any = importlib.import_module("aiokafka")
TOPIC = os.environ["BENCH_TOPIC"]
engine = create_async_engine(os.environ["BENCH_DATABASE_URL"], pool_size=20, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Customer(Model):
    customer_id: str = Field(min_length=1, max_length=200)
    name: str = Field(min_length=1, max_length=200)


class Item(Model):
    product_id: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1, le=1_000_000)


class CreateOrder(Model):
    customer: Customer
    items: list[Item] = Field(min_length=1, max_length=1000)


class OrderResponse(Model):
    order_id: UUID
    customer: Customer
    items: list[Item]
    status: str
    created_at: datetime


class Fulfillment(Model):
    carrier: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    error_message: str | None = None


class UpdateStatus(Model):
    status: str
    fulfillment: Fulfillment | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    producer: Any = aiokafka.AIOKafkaProducer(bootstrap_servers=os.environ["BENCH_BROKER"], acks="all")
    await producer.start()
    app.state.producer = producer
    yield
    await producer.stop()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session_of_request() -> AsyncGenerator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of_request)]


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/orders", status_code=201)
async def create_order(body: CreateOrder, request: Request, session: Session) -> OrderResponse:
    now = datetime.now(UTC)
    correlation_id = request.headers.get("x-correlation-id") or str(uuid4())
    order = Order(
        order_id=uuid4(),
        customer_id=body.customer.customer_id,
        customer_name=body.customer.name,
        status="Created",
        correlation_id=correlation_id,
        created_at=now,
        updated_at=now,
        items=[OrderItem(product_id=item.product_id, quantity=item.quantity) for item in body.items],
    )
    session.add(order)
    await session.commit()
    event = {
        "eventType": "OrderCreated",
        "orderId": str(order.order_id),
        "customer": body.customer.model_dump(by_alias=True),
        "items": [item.model_dump(by_alias=True) for item in body.items],
        "createdAt": now.isoformat(),
        "metadata": {"source": "OrderService", "correlationId": correlation_id},
    }
    await request.app.state.producer.send_and_wait(
        TOPIC, json.dumps(event).encode(), key=str(order.order_id).encode()
    )
    return OrderResponse(
        order_id=order.order_id, customer=body.customer, items=body.items, status=order.status, created_at=now
    )


@app.patch("/api/orders/{order_id}/status")
async def update_status(order_id: UUID, body: UpdateStatus, session: Session) -> Response:
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404)
    order.status = body.status
    order.updated_at = datetime.now(UTC)
    if body.fulfillment is not None:
        order.fulfillment_carrier = body.fulfillment.carrier
        order.fulfillment_tracking_number = body.fulfillment.tracking_number
        order.fulfillment_shipped_at = body.fulfillment.shipped_at
        order.fulfillment_error_message = body.fulfillment.error_message
    await session.commit()
    return Response(status_code=204)


async def create_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
