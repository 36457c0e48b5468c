"""`trolley products verify-view`: the products service's own command, told what `trolley up` tells the service."""

import asyncio
import sys

from trolley.processes import Processes
from trolley.services import CannotStart, Plan, Store
from trolley.up import mongodb


async def verify_view(plan: Plan) -> int:
    """Its exit code; what it says goes straight to the terminal. CannotStart where there is no store to compare."""
    if not plan.data.is_dir():
        raise CannotStart(f"There is no folder {plan.data}.")
    if plan.store is Store.MONGODB and not plan.mongodb_url and not (plan.data / "mongodb").is_dir():
        raise CannotStart(f"There is no MongoDB in {plan.data}: give the address of one, --mongodb-url mongodb://HOST.")
    async with mongodb(plan, Processes()) as url:
        command = (sys.executable, "-m", "products", "verify-view")
        process = await asyncio.create_subprocess_exec(*command, env=plan.environment("products", url))
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
