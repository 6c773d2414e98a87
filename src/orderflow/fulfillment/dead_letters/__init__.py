"""What could not be processed: its rows, its copies on a topic, and what people do about it."""
