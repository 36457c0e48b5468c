"""Pictures of products: the files of one folder, under their plain names."""

import asyncio
import re
from pathlib import Path

from shopkit.errors import NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\.(svg|png|jpg|webp)")
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
# An SVG opened by itself is a document: it may have style, but no script, and a browser must not guess its type.
HEADERS = {
    "Cache-Control": "public, max-age=86400",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}


class Images:
    """The pictures in `folder`; none where it is empty."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None

    async def get(self, name: str) -> tuple[bytes, str]:
        """A picture and its media type; NotFound for any other name, whatever the folder holds beside pictures."""
        match = NAME.fullmatch(name)
        if self._folder is None or match is None:
            raise NotFound
        try:
            content = await asyncio.to_thread((self._folder / name).read_bytes)
        except OSError as error:
            raise NotFound from error
        return content, MEDIA_TYPES[match[1]]
