"""Services that do what the measured calls of the shop do, for figures to be compared with."""
