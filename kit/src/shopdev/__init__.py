"""What development and tests need beside a service: a real MongoDB, callers with tokens, clients. Never shipped."""
