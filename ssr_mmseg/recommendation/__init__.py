"""The recommendation of one network: which of those compared is within the time, and better than by chance."""
