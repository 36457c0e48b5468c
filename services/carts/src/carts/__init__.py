"""The carts service: carts and their lines."""
