"""The search: two-phase steps, shrinking after every epoch, and compaction between stages."""
