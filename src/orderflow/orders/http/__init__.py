"""The Order Service over HTTP, a file per resource. Each parses requests, calls the use cases and queries,
and maps their outcomes to statuses and problems."""
