"""The fit of the bounds of rounding: right runs of many networks, and how far each pair of them comes apart."""
