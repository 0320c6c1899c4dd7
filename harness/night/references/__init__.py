"""Reference traces: accepted by a person with a reason, kept by environment, compared with the cells of a night."""
