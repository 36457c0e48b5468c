"""What the shop costs: CPU per request, requests per second, latency, memory and time to start, on both stores."""
