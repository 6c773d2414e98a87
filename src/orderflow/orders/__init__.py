"""Bounded context: order management. Owns the orders, their lifecycle and the events about them."""
