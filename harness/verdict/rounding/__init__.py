"""What rounding does to a pair of right runs, whatever their network: bounds that were fitted, and their measure."""
