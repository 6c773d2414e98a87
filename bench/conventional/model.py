"""Orders as ORM entities, as in the proof of concept: an aggregate with items and fulfillment columns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class OrderItem(Base):
    __tablename__ = "order_items"

    item_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.order_id"), index=True)
    product_id: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(200))
    customer_name: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16))
    correlation_id: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    fulfillment_carrier: Mapped[str | None] = mapped_column(String(200))
    fulfillment_tracking_number: Mapped[str | None] = mapped_column(String(200))
    fulfillment_shipped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    fulfillment_error_message: Mapped[str | None] = mapped_column(Text)
    items: Mapped[list[OrderItem]] = relationship(lazy="raise")
