"""The proof of concept as a team would usually write it in Python; what Orderflow is compared with."""
