"""What is true of all answers: failures as pages, headers, assets, pictures, languages, probes."""

import gzip
import re

import pytest
from litestar import get

from shopdev.shop import Shop
from storefront.words import choose, load

from .browsing import Page, Shopper, lines_of
from .conftest import SECRET, Storefront

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def is_guarded(page: Page) -> bool:
    """Whether an answer tells the browser what may be trusted, once."""
    headers = page.response.headers
    policy = headers.get_list("content-security-policy")
    assert len(policy) == 1, policy
    assert set(policy[0].split("; ")) >= POLICY
    assert "unsafe" not in policy[0]
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-request-id"]
    return True


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/no/such/page", 404, "There is nothing here"),
        ("GET", "/p/no-such", 404, "There is nothing here"),
        ("GET", "/images/no-such.svg", 404, "There is nothing here"),
        ("GET", "/static/abc/no-such.css", 404, "There is nothing here"),
        ("GET", "/cart/add", 405, "This cannot be opened by itself"),
        ("DELETE", "/cart", 405, "This cannot be opened by itself"),
        ("POST", "/", 405, "This cannot be opened by itself"),
        ("POST", "/sign-in", 403, "This form is out of date"),
    ],
)
async def test_a_failure_is_a_page_in_words_that_leads_on(
    shopper: Shopper, method: str, path: str, status: int, words: str
) -> None:
    page = Page(await shopper.client.request(method, path))
    assert page.status == status
    assert page.response.headers["content-type"] == "text/html; charset=utf-8"
    assert page.response.headers["cache-control"] == "no-store"
    assert words in page.text
    assert page.form("/search")
    assert is_guarded(page)
    assert ("allow" in page.response.headers) == (status == 405)


async def test_a_form_that_is_too_large_is_told(shopper: Shopper) -> None:
    page = await shopper.get("/sign-in")
    answer = Page(await shopper.send(page, "/sign-in", email="a" * 300_000))
    assert answer.status == 413
    assert is_guarded(answer)
    assert "This is too much at once" in answer.text


async def test_a_surprise_is_a_page_that_tells_nothing_of_it(storefront: Storefront) -> None:
    @get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret reason")

    storefront.app.routes.register(broken)
    page = await (await storefront.shopper()).get("/broken")
    assert page.status == 500
    assert "Something went wrong on our side" in page.text
    assert "the secret reason" not in page.html
    assert is_guarded(page)


async def test_a_form_of_a_failure_page_works(shopper: Shopper) -> None:
    """It may be the first page that somebody sees."""
    page = await shopper.get("/no/such/page")
    changed = await shopper.fill(page, "/language", language="zh-Hans", next="/")
    assert changed.status == 200
    assert changed.element(lang="zh-Hans")


@pytest.mark.parametrize(
    "path", ["/", "/search", "/p/teapot", "/cart", "/cart/history", "/sign-in", "/register", "/images/teapot.svg"]
)
async def test_every_page_says_what_may_be_trusted(shopper: Shopper, path: str) -> None:
    page = await shopper.get(path)
    assert page.status == 200
    assert page.response.headers.get_list("x-content-type-options") == ["nosniff"]
    if not path.startswith("/images"):
        assert is_guarded(page)
        assert page.response.headers["cache-control"] in {"no-store", "private, no-cache"}


async def test_no_page_has_style_or_script_inside(shopper: Shopper) -> None:
    for path in ("/", "/search", "/p/linen-shirt", "/cart", "/sign-in", "/register", "/no-such"):
        page = await shopper.get(path)
        for tag, has in page.elements:
            assert tag != "style", path
            assert tag != "script" or has.get("src"), path
            assert not [name for name in has if name == "style" or re.fullmatch(r"on[a-z]+", name)], (path, has)
            for name in ("src", "href", "action"):
                assert has.get(name, "/").startswith(("/", "#", "data:")), (path, has)


async def test_pictures_from_the_owners_hosts_are_allowed(storefront: Storefront) -> None:
    await storefront.open(image_hosts=("https://cdn.example",))
    page = await (await storefront.shopper()).get("/")
    assert "img-src 'self' data: https://cdn.example;" in page.response.headers["content-security-policy"]


async def test_what_pages_load_is_kept_for_ever_and_comes_compressed(shopper: Shopper) -> None:
    page = await shopper.get("/")
    urls = {has[name] for tag, has in page.elements for name in ("src", "href") if "/static/" in has.get(name, "")}
    assert len(urls) >= 3
    for url in urls:
        small = await shopper.client.get(url, headers={"Accept-Encoding": "gzip"})
        plain = await shopper.client.get(url, headers={"Accept-Encoding": "identity"})
        assert (small.status_code, plain.status_code) == (200, 200), url
        assert small.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert small.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert small.content == plain.content
        assert int(small.headers["content-length"]) <= len(gzip.compress(plain.content)) + 20
        assert plain.headers["content-length"] == str(len(plain.content))
        assert "accept-encoding" in small.headers["vary"].lower()
        assert "set-cookie" not in small.headers


async def test_an_asset_under_an_old_address_is_the_present_one_and_not_kept(shopper: Shopper) -> None:
    answer = await shopper.client.get("/static/000000000000/style.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "vendor", "", "style.css%00"])
async def test_no_other_file_is_served(shopper: Shopper, path: str) -> None:
    assert (await shopper.client.get(f"/static/abc/{path}")).status_code == 404


async def test_a_page_comes_compressed(shopper: Shopper) -> None:
    answer = await shopper.client.get("/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


async def test_a_picture_comes_from_the_catalogue_with_what_it_says_about_it(shopper: Shopper) -> None:
    answer = await shopper.client.get("/images/teapot.svg")
    assert answer.text.startswith("<svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["no-such.svg", "%2e%2e", "..%2fx.svg", "x.html", "%00.svg", "a" * 500 + ".svg"])
async def test_a_picture_that_is_not_there_is_told(shopper: Shopper, name: str) -> None:
    assert (await shopper.client.get(f"/images/{name}")).status_code == 404


LANGUAGES = [
    ("", "en"),
    ("zh", "zh-Hans"),
    ("zh-CN", "zh-Hans"),
    ("zh-Hans-CN", "zh-Hans"),
    ("ZH-cn", "zh-Hans"),
    ("zh-TW", "zh-Hans"),
    ("en;q=0.5, zh;q=0.9", "zh-Hans"),
    ("en, zh", "en"),
    ("fr, de;q=0.9", "en"),
    ("fr, zh;q=0.1", "zh-Hans"),
    ("zh;q=0, en", "en"),
    ("zh;q=0", "en"),
    ("EN", "en"),
    ("zh-hans", "zh-Hans"),
    ("ZH-TW", "zh-Hans"),
    ("*", "en"),
    ("*;q=0.5, zh;q=0.1", "en"),
    ("en-GB-oed", "en"),
    (";;;,,,q=", "en"),
    ("zh;q=abc", "en"),
    ("zh;q=1e999", "en"),
    ("zh;q=nan, en", "en"),
    ("zh ; q=0.9 , en;q=0.1", "zh-Hans"),
    ("x" * 10_000, "en"),
    ("é, zh", "zh-Hans"),
    ("\x00", "en"),
]


@pytest.mark.parametrize(("header", "tag"), LANGUAGES)
def test_the_language_is_the_best_that_the_browser_asks_for(header: str, tag: str) -> None:
    assert choose(load(), "", header).tag == tag


def test_a_language_that_was_chosen_comes_before_what_the_browser_asks_for() -> None:
    assert choose(load(), "en", "zh").tag == "en"
    assert choose(load(), "nonsense", "zh").tag == "zh-Hans"


async def test_the_switch_changes_the_language_and_stays_on_the_page(shopper: Shopper) -> None:
    page = await shopper.get("/search?q=tea&sort=price")
    assert page.element(lang="en")
    chinese = await shopper.fill(page, "/language", language="zh-Hans")
    assert chinese.path == "/search?q=tea&sort=price"
    assert chinese.element(lang="zh-Hans")
    assert (await shopper.get("/cart")).element(lang="zh-Hans")
    english = await shopper.fill(chinese, "/language", language="en")
    assert english.element(lang="en")


@pytest.mark.parametrize("language", ["", "fr", "x" * 5000, "\r\nX: y", "../en"])
async def test_a_language_there_is_none_of_is_passed_over(shopper: Shopper, language: str) -> None:
    page = await shopper.fill(await shopper.get("/"), "/language", language=language)
    assert page.status == 200
    assert page.element(lang="en")


async def test_a_page_differs_by_language_and_says_so(shopper: Shopper) -> None:
    page = await shopper.get("/", accept_language="zh")
    assert page.element(lang="zh-Hans")
    assert {"accept-language", "cookie"} <= {part.strip().lower() for part in page.response.headers["vary"].split(",")}


async def test_prices_stand_in_the_form_of_the_language(shopper: Shopper) -> None:
    assert "€39.00" in (await shopper.get("/p/teapot")).text
    assert "€39.00" in (await shopper.get("/p/teapot", accept_language="zh")).text


async def test_the_probes_and_the_metrics_answer(shopper: Shopper) -> None:
    health, ready, metrics = [await shopper.client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "http_requests_total" in metrics.text
    assert "products_calls_total" in metrics.text


async def test_head_is_get_without_a_body(shopper: Shopper) -> None:
    answer = await shopper.client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_visitors_address_is_what_limits_count_by(storefront: Storefront, shop: Shop) -> None:
    await storefront.open(trusted_proxies=("127.0.0.1/32",))
    shopper = await storefront.shopper(**{"X-Forwarded-For": "203.0.113.9"})
    assert (await shopper.sign_in(shop.register())).path == "/account"
    assert SECRET not in (await shopper.get("/account")).html
    assert lines_of(await shopper.get("/cart")) == {}


@pytest.mark.parametrize(
    "path",
    ["/metrics%2F", "/metrics%2f", "//metrics", "/metrics/", "/healthz%2F", "/api%2Fv1%2Fmetrics", "/api/v1/metrics"],
)
async def test_a_disguise_does_not_open_what_a_proxy_keeps_closed(shopper: Shopper, path: str) -> None:
    request = shopper.client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = await shopper.client.send(request)
    assert answer.request.url.raw_path == path.encode()
    assert answer.status_code == 404
