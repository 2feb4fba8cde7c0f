"""The search: two-phase steps, shrinking after epochs, compaction between stages."""
