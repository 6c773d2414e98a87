"""Who calls: API keys and tokens."""
