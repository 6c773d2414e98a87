"""Stock: what there is of each product, and what of it is reserved for orders."""
