"""What Orderflow is tested against: servers with durable ledgers and faults on demand."""
