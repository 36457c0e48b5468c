"""What pages load: styles, scripts and pictures; and the language that they are in."""

from litestar import Response, get, post
from litestar.params import FromPath

from shopkit.errors import NotFound
from storefront.front import TRUST
from storefront.visit import Visitor, local

FOR_EVER = "public, max-age=31536000, immutable"
# The looks of a picture hang on the products service; it says how long they last.
PASSED_ON = ("Content-Type", "Cache-Control", "Content-Security-Policy", "ETag", "X-Content-Type-Options")


@get("/static/{digest:str}/{name:path}")
async def show_asset(visit: Visitor, digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of ours; its address has its digest in it, so browsers may keep it."""
    asset = visit.front.assets.get(name.lstrip("/"))
    if asset is None:
        raise NotFound
    headers = {
        "Cache-Control": FOR_EVER if asset.url == f"/static/{digest}{name}" else "no-cache",
        "Vary": "Accept-Encoding",
        **TRUST,
    }
    if "gzip" in visit.request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.zipped, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@get("/images/{name:str}")
async def show_picture(visit: Visitor, name: FromPath[str]) -> Response[bytes]:
    """A product's picture, from the products service."""
    reply = await visit.front.catalogue.picture(name)
    if reply.status != 200:
        raise NotFound
    headers = {header: reply.headers[header] for header in PASSED_ON if header in reply.headers}
    return Response(reply.body, headers=headers, media_type=headers.get("Content-Type"))


@post("/language", status_code=200)
async def choose_language(visit: Visitor) -> Response[str]:
    """Another language, from now on."""
    fields = await visit.form()
    visit.keep(language=str(fields.get("language", ""))[:20])
    return visit.go(local(str(fields.get("next", "/"))))
