"""The catalogue: products, their variants, prices and stock."""
