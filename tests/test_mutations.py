"""The lists of mutations fit the code: each edit is possible, in one place, and the tests that have to notice exist."""

from __future__ import annotations

import pytest
from mutations import GROUPS, ROOT, Group


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_every_mutation_applies(group: Group) -> None:
    for mutation in group.mutations:
        text = (ROOT / group.folder / mutation.file).read_text()
        assert text.count(mutation.old) == 1, mutation.guard
        assert mutation.old != mutation.new
    assert len({mutation.guard for mutation in group.mutations}) == len(group.mutations)
    for test in group.tests:
        assert (ROOT / "tests" / test).exists(), test
