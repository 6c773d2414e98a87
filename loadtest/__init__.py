"""Load tests: k6 against real processes, real PostgreSQL and real Kafka, with a rebalance in the middle."""
