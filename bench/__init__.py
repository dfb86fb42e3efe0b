"""What `make bench` measures: whole processes on simulated exports, as ratios against a baseline in the same run."""
