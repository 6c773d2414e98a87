"""What crosses a boundary: events and the Order Service's requests and answers. Imports nothing of ours."""
