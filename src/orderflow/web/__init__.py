"""HTTP servers: connections with every bound set, the front door that all requests pass, problems."""
