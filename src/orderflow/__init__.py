"""Orderflow: takes orders over HTTP and ships them, none lost, none shipped twice."""
