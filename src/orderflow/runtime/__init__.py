"""What every process of Orderflow is made of: loops and their health, signals, log lines, ids."""
