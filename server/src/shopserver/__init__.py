"""Serves an ASGI application over HTTP/1.1, and lets it answer at once what needs no waiting.

One process, one event loop, uvicorn. Why so: docs/decisions/0015-server.md.
"""
