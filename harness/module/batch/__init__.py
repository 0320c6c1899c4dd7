"""A module for fewer samples: the batch followed through every operation, types and attributes made anew."""
