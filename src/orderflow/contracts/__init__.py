"""What crosses a boundary: events, and the Order Service's requests and answers. Imports none of our other
packages."""
