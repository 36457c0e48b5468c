"""What is measured with: the catalogue, what is looked for in it, and the clock."""

import os
import subprocess

from bench import catalogue, vocabulary
from bench.processes import cpu_seconds, memory


def test_a_catalogue_of_one_size_is_always_the_same() -> None:
    assert catalogue.products(30) == catalogue.products(30)
    skus = [variant["sku"] for product in catalogue.products(30) for variant in product["variants"]]
    assert len(set(skus)) == 90
    assert set(catalogue.skus(30)) < set(skus)


def test_no_word_looked_for_could_be_taken_for_another() -> None:
    known = {*vocabulary.rarer(), *vocabulary.ADJECTIVES, *vocabulary.THINGS}
    assert len(known) == len(vocabulary.rarer()) + len(vocabulary.ADJECTIVES) + len(vocabulary.THINGS)
    for word in {word for words in vocabulary.searches() for word in words.split()}:
        assert [other for other in known if other.startswith(word)] == [word]
        if len(word) >= 5:
            beginnings = {other[:length]: other for other in known for length in range(len(word) - 1, len(word) + 2)}
            near = {other for beginning, other in beginnings.items() if at_most_one_slip(word, beginning)}
            assert near == {word}


def at_most_one_slip(one: str, other: str) -> bool:
    """Whether a letter too many, too few or another makes one of the other, or two that changed places."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rests = one[same:], other[same:]
    tails = [(rests[0][1:], rests[1][1:]), (rests[0][1:], rests[1]), (rests[0], rests[1][1:])]
    swapped = rests[0][:2] == rests[1][:2][::-1] and rests[0][2:] == rests[1][2:]
    return rests[0] == rests[1] or swapped or any(first == second for first, second in tails)


def test_what_is_looked_for_is_found_in_many_products_and_in_few() -> None:
    products = [
        {*product["name"].lower().split(), *product["description"].lower().strip(".").split()}
        for product in catalogue.products(10_000)
    ]
    shares = [sum(set(words.split()) <= product for product in products) / 10_000 for words in vocabulary.searches()]
    assert max(shares) < 0.4
    assert 0 < min(shares) < 0.005
    assert sum(share < 0.02 for share in shares) > len(shares) / 2


def test_what_a_process_starts_counts_as_its_own() -> None:
    before, alone = cpu_seconds(os.getpid()), memory(os.getpid())
    with subprocess.Popen(
        ["sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo; read x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout
        child.stdout.readline()
        assert cpu_seconds(os.getpid()) - before >= cpu_seconds(child.pid) > 0
        assert memory(os.getpid()).rss > alone.rss
        child.communicate(b"\n")
