"""What runs, and when: jobs, schedules, and which days a run needs. What a run makes belongs to `assets/`."""
