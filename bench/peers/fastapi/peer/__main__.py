# mypy: disable-error-code="import-not-found, untyped-decorator"
"""The process: one worker, a clean end on SIGTERM."""

import os
import sys

import uvicorn

if not {"MONGODB_URL", "PORT"} <= os.environ.keys():
    print("MONGODB_URL and PORT must be set.", file=sys.stderr)
    raise SystemExit(2)
uvicorn.run(
    "peer.app:create_app",
    factory=True,
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
