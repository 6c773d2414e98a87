"""The benchmarks: `make bench`. See README.md in this directory."""
