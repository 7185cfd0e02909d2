"""The thirteen steps, one file each, run in the order of `decide.STAGES`."""
