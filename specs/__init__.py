"""One readable module a network: SPEC and CONFIG."""
