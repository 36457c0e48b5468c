"""Sends the sample to the products service, as any client would."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import httpx

from trolley.sample.catalogue import Item

# A batch stays well below the service's limit for a body.
BATCH = 25


class SampleRefused(Exception):
    """The products service did not take the sample; the text says why."""


async def load(products: httpx.AsyncClient, token: str, items: Sequence[Item]) -> AsyncIterator[int]:
    """Sends them all; yields how many are there so far. Safe to repeat: what is there already is not made twice."""
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        answer = await products.post(
            "/products/batch",
            json={"items": [item.body for item in batch]},
            headers={"Authorization": f"Bearer {token}"},
        )
        if answer.status_code != HTTPStatus.OK:
            raise SampleRefused(f"the products service answered {answer.status_code} to the sample: {answer.text}")
        for item, result in zip(batch, answer.json()["results"], strict=True):
            problem = result.get("problem")
            if problem:
                raise SampleRefused(f"the products service did not take {item.slug}: {problem}")
        yield start + len(batch)
