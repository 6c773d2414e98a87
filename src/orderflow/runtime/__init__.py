"""What every process of Orderflow needs: loops and their health, signals, log lines, ids."""
