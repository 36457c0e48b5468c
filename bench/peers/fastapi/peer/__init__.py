"""The measured calls of the shop, as an idiomatic FastAPI service."""
