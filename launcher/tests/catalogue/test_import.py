"""`trolley import` and `trolley export` in earnest: real services, real files, real interruptions."""

import asyncio
import csv
import fcntl
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from trolley import importing
from trolley.calls import Stopped
from trolley.importing import Job
from trolley.sample import catalogue

HEADING = (
    "Handle,Title,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Status"
)
MANY_SCRIPTS = [
    "Чайник «Утро»",
    "急須・朝霧",
    "إبريق شاي",
    "चाय की केतली",
    "קומקום",
    "กาน้ำชา",
    "Ça, l'été: 100 %",
    "🫖 Pot",
]
# Six batches.
MANY = 2600


def sample() -> list[dict[str, Any]]:
    """The sample, and names in other scripts than its own."""
    products = [item.body for item in catalogue.products()]
    for number, name in enumerate(MANY_SCRIPTS):
        products.append(products[number] | {"name": name, "tags": [name[:50]], "description": f"{name} <b>&</b>\r\n=1"})
        variants = [variant | {"sku": f"{variant['sku']}-{number}"} for variant in products[number]["variants"]]
        products[-1] |= {"slug": f"many-{number}", "variants": variants, "attributes": {"Vendor": name, "名": name}}
    return products


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADING, *rows, ""]))
    return path


def many(path: Path, prefix: str) -> Path:
    return write(path, *(f"{prefix}-{number},Mug,mug,,,,{prefix}-{number},7,9.95," for number in range(MANY)))


def test_a_round_trip_changes_nothing(own_shop: Any, tmp_path: Path) -> None:
    products = sample()
    first = tmp_path / "first.jsonl"
    first.write_text("".join(json.dumps(product) + "\n" for product in products))
    added = own_shop.trolley("import", first)
    assert (added.code, added.err) == (0, "")
    assert added.out.startswith(f"{len(products)} products added, 0 changed")
    before = own_shop.everything()
    assert {product["name"] for product in before.values()} >= set(MANY_SCRIPTS)
    for name in ("file.csv", "file.jsonl"):
        assert own_shop.trolley("export", tmp_path / name).code == 0
        again = own_shop.trolley("import", tmp_path / name)
        assert again.code == 0
        assert again.out.startswith(f"0 products added, {len(products)} changed or there already, 0 not taken.")
    assert own_shop.everything() == before
    assert {product["version"] for product in before.values()} == {1}


def test_what_cannot_be_taken_is_reported_beside_the_file_and_the_rest_is_in(shop: Any, tmp_path: Path) -> None:
    good = "a,Tea,,,Size,S,PF-1,3,5,"
    file = write(tmp_path / "tea.csv", good, "a,,,,,M,PF-2,3,6,", "b,Bad,,,,,PF-3,3,5.999,", "c,Cup,,,,,PF-4,3,5,")
    told = shop.trolley("import", file)
    assert (told.code, told.err) == (1, "")
    assert told.out.splitlines()[0] == "2 products added, 0 changed or there already, 1 not taken."
    assert str(tmp_path / "tea.problems.csv") in told.out
    with (tmp_path / "tea.problems.csv").open() as report:
        [fault] = csv.DictReader(report)
    assert fault == {
        "line": "4",
        "name": "b",
        "problem": "Variant Price `5.999` has more decimals than EUR, which has 2.",
    }

    write(file, good, "b,Bad,,,,,PF-3,3,5.99,", "c,Cup,,,,,PF-4,3,7,")
    told = shop.trolley("import", file, "--report", tmp_path / "other.csv")
    assert (told.code, told.out) == (0, "1 products added, 2 changed or there already, 0 not taken.\n")
    assert not (tmp_path / "other.csv").exists()
    found = shop.products_by_sku("PF-1", "PF-2", "PF-3", "PF-4")
    assert [len(found["PF-1"]["variants"]), found["PF-4"]["price_from"]["amount"]] == [1, 700]


def test_what_the_shop_itself_refuses_is_reported_too(shop: Any, tmp_path: Path) -> None:
    assert shop.trolley("import", write(tmp_path / "one.csv", "same,One,,,,,RS-1,3,5,")).code == 0
    told = shop.trolley("import", write(tmp_path / "two.csv", "same,Two,,,,,RS-2,3,5,", "other,Two,,,,,RS-3,3,5,"))
    assert (told.code, told.out.splitlines()[0]) == (1, "1 products added, 0 changed or there already, 1 not taken.")
    assert "slug" in (tmp_path / "two.problems.csv").read_text()


def test_a_dry_run_says_what_would_happen_and_changes_nothing(shop: Any, tmp_path: Path) -> None:
    there = "a-dry,There,,,,,DR-1,3,5,"
    assert shop.trolley("import", write(tmp_path / "there.csv", there)).code == 0
    rows = [there.replace("There", "Changed"), "b-dry,New,,,,,DR-2,3,5,", "c-dry,Bad,,,,,DR-3,3,x,"]
    told = shop.trolley("import", write(tmp_path / "dry.csv", *rows), "--dry-run")
    assert told.code == 1
    assert told.out.splitlines()[0] == "1 products would be added, 1 changed, 1 not taken."
    assert "4,c-dry," in (tmp_path / "dry.problems.csv").read_text()
    found = shop.products_by_sku("DR-1", "DR-2")
    assert {sku: product["name"] for sku, product in found.items()} == {"DR-1": "There"}


def test_drafts_are_not_for_sale_until_the_file_says_otherwise(shop: Any, tmp_path: Path) -> None:
    rows = ["d-1,Draft,,,,,DS-1,3,5,{}", "d-2,Hidden,,{},,,DS-2,3,5,active"]
    assert shop.trolley("import", write(tmp_path / "1.csv", rows[0].format("draft"), rows[1].format("FALSE"))).code == 0
    assert {product["status"] for product in shop.products_by_sku("DS-1", "DS-2").values()} == {"archived"}
    assert shop.trolley("import", write(tmp_path / "2.csv", rows[0].format("active"), rows[1].format("TRUE"))).code == 0
    assert {product["status"] for product in shop.products_by_sku("DS-1", "DS-2").values()} == {"active"}


async def test_an_import_that_was_interrupted_goes_on_where_it_stopped(shop: Any, gate: Any, tmp_path: Path) -> None:
    file = many(tmp_path / "many.csv", "IN")
    with file.open("a") as more:
        more.write("in-bad,Bad,,,,,IN-BAD,3,x,\n")
    gate.let(2)
    command = shop.begin("import", file, url=gate.url)
    await gate.shut.wait()
    command.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(command.communicate, timeout=30)
    stopped_at = shop.line()
    assert (command.returncode, out) == (1, "")
    assert err == f"Interrupted. Stopped at line {stopped_at:,} of {MANY + 2:,}; the same command goes on from there.\n"

    gate.let(2)
    command = shop.begin("import", file, url=gate.url)
    await gate.shut.wait()
    command.kill()
    await asyncio.to_thread(command.communicate, timeout=30)
    killed_at = shop.line()
    assert 1 < stopped_at < killed_at <= MANY

    gate.let(MANY)
    ended = await asyncio.to_thread(shop.trolley, "import", file, url=gate.url)
    assert ended.code == 1
    assert f"Taken up again after line {killed_at:,}" in ended.out
    assert len((tmp_path / "many.problems.csv").read_text().splitlines()) == 2
    assert await count(shop, "IN") == MANY
    assert shop.line() == 0


async def test_a_service_that_is_killed_and_comes_back_is_waited_for(shop: Any, gate: Any, tmp_path: Path) -> None:
    gate.let(2)
    command = shop.begin("import", many(tmp_path / "many.csv", "KI"), url=gate.url)
    await gate.shut.wait()
    shop.products.kill()
    gate.let(MANY)
    await gate.failed.wait()
    await shop.products.start()
    out, err = await asyncio.to_thread(command.communicate, timeout=60)
    assert command.returncode == 0, err
    # How far it is, where the service took long to come back; and nothing else.
    assert [line for line in err.splitlines() if not line.startswith("Importing")] == []
    assert out.endswith("0 not taken.\n")
    assert await count(shop, "KI") == MANY


async def test_a_service_that_stays_away_ends_it_with_a_sentence(shop: Any, gate: Any, tmp_path: Path) -> None:
    file = many(tmp_path / "many.csv", "AW")
    job = Job(file=file, currency="EUR", report=tmp_path / "r", data=shop.data, dry_run=False, from_start=False)
    access = replace(shop.access, products_url=gate.url)
    gate.let(2)
    running = asyncio.create_task(importing.run(job, replace(access, patience_seconds=0.5)))
    await gate.shut.wait()
    shop.products.kill()
    gate.let(MANY)
    try:
        with pytest.raises(
            Stopped, match=r"^The products service is away: .* Stopped at line [\d,]+ of 2,601; the same"
        ):
            await running
    finally:
        await shop.products.start()
    begun, ended = await importing.run(job, access)
    assert 0 < begun.line < ended.line
    assert await count(shop, "AW") == MANY


async def count(shop: Any, prefix: str) -> int:
    """How many of the many are there, each as it was in the file."""
    found = 0
    async with httpx.AsyncClient(base_url=shop.products.url) as client:
        for start in range(0, MANY, 100):
            params = [("sku", f"{prefix}-{number}") for number in range(start, start + 100)]
            items = (await client.get("/products", params=params)).json()["items"]
            found += sum(item["name"] == "Mug" and item["variants"][0]["stock"] == 7 for item in items)
    return found


def test_who_imports_can_be_told_by_the_environment(shop: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "who.csv", "who,Who,,,,,WH-1,3,5,")
    staff = json.loads((shop.data / "staff.json").read_text())
    account = {"TROLLEY_EMAIL": staff["email"], "TROLLEY_PASSWORD": staff["password"]}
    token = httpx.post(f"{shop.users.url}/login", json=staff).json()["access_token"]
    for environment in (account, {"TROLLEY_TOKEN": token, "TROLLEY_EMAIL": "", "TROLLEY_PASSWORD": ""}):
        assert shop.trolley("import", file, "--data", tmp_path / "elsewhere", **environment).code == 0
    nobody = {"TROLLEY_TOKEN": "", "TROLLEY_EMAIL": "", "TROLLEY_PASSWORD": ""}
    refused = shop.trolley("import", file, "--data", tmp_path / "elsewhere", **nobody)
    assert_one_sentence(refused, "no staff.json")
    refused = shop.trolley("import", file, **account | {"TROLLEY_PASSWORD": "another one"})
    assert_one_sentence(refused, "does not know staff@trolley.example with this password")
    customer = {"email": "customer@trolley.example", "password": staff["password"]}
    httpx.post(f"{shop.users.url}/register", json=customer).raise_for_status()
    refused = shop.trolley("import", file, **account | {"TROLLEY_EMAIL": customer["email"]})
    assert_one_sentence(refused, "is no staff")


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("no.csv", None, [], "no.csv"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0", [], "a.csv is no catalogue: it is a picture."),
        ("a.csv", b"", [], "a.csv is empty."),
        ("a.csv", b"Title,Price\nTea,5\n", ["--url", "http://127.0.0.1:9"], "No shop answers at http://127.0.0.1:9"),
        ("a.csv", b"Title,Price\nTea,5\n", ["--users-url", "http://127.0.0.1:9"], "No users service answers"),
        ("a.csv", b"Title,Price\nTea,5\n", ["--url", "USERS"], "is not the products service"),
        ("a.csv", b"Title,Price\nTea,5\n", ["--users-url", "PRODUCTS"], "is not the users service"),
        ("a.csv", b"Title,Price\nTea,5\n", ["--currency", "euro"], "three capital letters"),
        ("a.csv", b"Title,Price\nTea,5\n", ["--report", "FILE"], "--report must not be the file itself"),
    ],
)
def test_misuse_gets_one_sentence_and_exit_code_2(
    shop: Any, tmp_path: Path, name: str, content: bytes | None, options: list[str], words: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    stand_ins = {"USERS": shop.users.url, "PRODUCTS": shop.products.url, "FILE": str(file)}
    refused = shop.trolley("import", file, *(stand_ins.get(option, option) for option in options))
    assert_one_sentence(refused, words)
    assert content is None or file.read_bytes() == content


def assert_one_sentence(ended: Any, words: str) -> None:
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert words in ended.err


def test_two_imports_of_one_file_at_once_are_not_mixed(shop: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "two.csv", "two,Two,,,,,TW-1,3,5,")
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert_one_sentence(shop.trolley("import", file), "is being imported already")
    assert shop.trolley("import", file).code == 0


def test_an_export_goes_to_stdout_too_and_replaces_a_file_as_a_whole(shop: Any, tmp_path: Path) -> None:
    assert shop.trolley("import", write(tmp_path / "ex.csv", "ex,=Ex,,,,,EX-1,3,5,")).code == 0
    on_stdout = shop.trolley("export", "-", "--format", "jsonl")
    assert on_stdout.code == 0
    products = [json.loads(line) for line in on_stdout.out.splitlines()]
    assert [product["name"] for product in products if product["slug"] == "ex"] == ["=Ex"]
    assert on_stdout.err.endswith(f"{len(products):,} products written to -.\n")
    file = tmp_path / "old.csv"
    file.write_text("old")
    assert_one_sentence(shop.trolley("export", file, "--url", "http://127.0.0.1:9"), "No shop answers")
    assert file.read_text() == "old"
    assert shop.trolley("export", file).code == 0
    assert "ex,'=Ex," in file.read_text()
    assert_one_sentence(shop.trolley("export", tmp_path / "none" / "x.csv"), "No such file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ex.csv", "old.csv"]
