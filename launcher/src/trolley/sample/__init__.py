"""The sample catalogue: a shop's worth of products, always the same ones, and their pictures."""
