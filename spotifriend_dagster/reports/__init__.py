"""What people read: the listening summary (HTML) and the terminal's answers. Both read insight tables only."""
