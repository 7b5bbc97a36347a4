"""Pipelines for the same graph: what is to be done where (`jobs`), what of it this run does (`selection`), and a
renderer for each forge."""
