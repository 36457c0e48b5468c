"""What the hash of a password costs the processor by itself, so that the rest of a sign-in can be told from it."""

import subprocess
import time
from pathlib import Path

from argon2 import PasswordHasher

from bench.server import EXPRESS
from bench.shop import ACCOUNT

# As the shop and both peers have them.
ROUNDS, MEMORY_KIB, LANES = 2, 19456, 1
TIMES = 20
EXPRESS_FOLDER = Path(__file__).parent / "peers/express"
IN_NODE = """
import { verify } from "@node-rs/argon2";
const [hash, password, times] = process.argv.slice(1);
await verify(hash, password);
const before = process.cpuUsage();
for (let n = 0; n < Number(times); n++) await verify(hash, password);
const used = process.cpuUsage(before);
console.log((used.user + used.system) / Number(times));
"""


def verifying_us(server: str) -> float:
    """µs of CPU to verify a password as that server does; Trolley and FastAPI have the library that we have."""
    password = ACCOUNT["password"]
    hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)
    kept = hasher.hash(password)
    if server == EXPRESS:
        command = ["node", "--input-type=module", "-e", IN_NODE, "--"]
        done = subprocess.run(
            [*command, kept, password, str(TIMES)], cwd=EXPRESS_FOLDER, capture_output=True, text=True, check=True
        )
        return float(done.stdout)
    hasher.verify(kept, password)
    began = time.process_time()
    for _ in range(TIMES):
        hasher.verify(kept, password)
    return (time.process_time() - began) / TIMES * 1e6
