"""The list of mutations fits the code: each edit is possible, in one place."""

from __future__ import annotations

from mutations import MUTATIONS, ROOT


def test_every_mutation_applies() -> None:
    for mutation in MUTATIONS:
        text = (ROOT / "spectral_losses" / mutation.file).read_text()
        assert text.count(mutation.old) == 1, mutation.guard
        assert mutation.old != mutation.new
    assert len({mutation.guard for mutation in MUTATIONS}) == len(MUTATIONS)
