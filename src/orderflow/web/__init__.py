"""HTTP servers: connections that bound every size and wait, the front door that all requests pass, and
problems."""
