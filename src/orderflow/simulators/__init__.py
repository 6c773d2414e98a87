"""What Orderflow is tried against: servers with durable ledgers and faults on demand."""
