"""What every process of Orderflow is made of: loops, their health, signals."""
