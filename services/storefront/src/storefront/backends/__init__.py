"""What the storefront asks of the services: one module each, and only the members that pages show."""
