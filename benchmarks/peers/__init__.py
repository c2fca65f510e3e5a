"""What peers run in processes of their own; these modules need NumPy, the peer, and `benchmarks.table`."""
