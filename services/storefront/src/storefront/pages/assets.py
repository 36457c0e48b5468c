"""What pages load: styles, scripts and pictures; and the language that they are in."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from shopkit.errors import NotFound
from shopkit.requests import ShopRequest
from storefront.backends.answers import Refused
from storefront.front import TRUST, Front
from storefront.visit import Visitor, local

FOR_EVER = "public, max-age=31536000, immutable"
# Files are the same for everybody: no session is opened for them, and no language chosen.
Site = NamedDependency[SkipValidation[Front]]
# The looks of a picture hang on the products service; it says how long they last.
PASSED_ON = ("Content-Type", "Cache-Control", "Content-Security-Policy", "ETag", "X-Content-Type-Options")


@get("/static/{digest:str}/{name:path}")
async def show_asset(request: ShopRequest, front: Site, digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of ours; its address has its digest in it, so browsers may keep it."""
    asset = front.assets.get(name.lstrip("/"))
    if asset is None:
        raise NotFound
    headers = {
        "Cache-Control": FOR_EVER if asset.url == f"/static/{digest}{name}" else "no-cache",
        "Vary": "Accept-Encoding",
        **TRUST,
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.zipped, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@get("/images/{name:str}")
async def show_picture(front: Site, name: FromPath[str]) -> Response[bytes]:
    """A product's picture, from the products service."""
    try:
        reply = await front.catalogue.picture(name)
    except Refused as refused:
        raise NotFound from refused
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
