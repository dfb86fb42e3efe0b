"""What `make bench` measures: whole processes on simulated exports, as ratios against a named baseline in the same run."""
