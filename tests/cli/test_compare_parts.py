"""Sums of parts: whoever cuts and merges them, the numbers are those of the whole."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_losses.cli import _parser, main
from spectral_losses.cli.compare import blocks
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.comparison import Comparison, prepare
from spectral_losses.cli.compare.document import document_of
from spectral_losses.cli.compare.measure import Part, Work, sums_of
from spectral_losses.cli.compare.pairs import open_pairs
from spectral_losses.cli.compare.rounds import compare
from spectral_losses.cli.compare.sums import FAN_IN, Sums, folded, merged, packed, unpacked
from spectral_losses.io import StoredArray

FRAMES = 7
SHAPE = (FRAMES, 3, 2, 8, 10)
# So large a guard that it matters of which frames it is.
LOSSES = ("--losses", "adjusted_error,sobolev_error,log_spectral_distance,coherence_error", "--eps", "0.1")
ASKED = {
    "plain": LOSSES,
    "per batch": (*LOSSES, "--per", "0"),
    "per another axis": (*LOSSES, "--per", "1"),
    "per channel": (*LOSSES, "--per", "2"),
    "channels summed": (*LOSSES, "--per", "0", "--channels", "sum"),
    "channels first": ("--channel-axis", "0", "--per", "2", *LOSSES),
    "skip": ("--nan", "skip", "--per", "0", *LOSSES),
    "skip, per another axis": ("--nan", "skip", "--per", "1", *LOSSES),
    "fill": ("--nan", "fill", *LOSSES),
    "mask": ("--mask", "mask.npy", "--nan", "fill", "--per", "1"),
    "climatology": ("--climatology", "usual.npy", "--per", "1"),
    "sphere": ("--grid", "equiangular", "--per", "0", "--losses", "adjusted_error"),
    "one frame": ("--isel", "0=0", "--isel", "0=0"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Frames of unequal amplitude; some of them have gaps. What is usual and the mask differ from frame to frame."""
    folder = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)
    t = rng.standard_normal(SHAPE).astype(np.float32) * (1 + np.arange(FRAMES)).reshape(-1, 1, 1, 1, 1)
    p = (t + 0.4 * rng.standard_normal(SHAPE) + 0.1).astype(np.float32)
    np.save(folder / "p.npy", p)
    np.save(folder / "t.npy", t)
    np.save(folder / "usual.npy", 0.1 * rng.standard_normal(SHAPE).astype(np.float32))
    np.save(folder / "mask.npy", (rng.random(SHAPE) > 0.2).astype(np.uint8))
    p[[0, 3, 4], 1, 0, 2, 3:6] = np.nan
    np.save(folder / "gaps.npy", p)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def words(asked: str) -> list[str]:
    return ["compare", "gaps.npy" if "--nan" in ASKED[asked] else "p.npy", "t.npy", *ASKED[asked]]


@contextlib.contextmanager
def opened(argv: list[str]) -> Iterator[Comparison]:
    args: argparse.Namespace = _parser().parse_args(argv)
    with contextlib.ExitStack() as stack:
        yield prepare(args, open_pairs(args, stack)[0])[0]


def leaves(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [leaf for each in document.values() for leaf in leaves(each)]
    if isinstance(document, list | tuple):
        return [leaf for each in document for leaf in leaves(each)]
    return [document]


def assert_close(found: Any, expected: Any) -> None:
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one == (pytest.approx(other, rel=1e-6, abs=1e-9) if isinstance(other, float) else other)


def grouped(draw: Any, items: list[Any]) -> Any:
    """Neighbours, merged in any grouping."""
    while len(items) > 1:
        start = draw(st.integers(0, len(items) - 2))
        stop = draw(st.integers(start + 2, len(items)))
        items = [*items[:start], merged(items[start:stop]), *items[stop:]]
    return items[0]


@pytest.mark.parametrize("asked", ASKED)
@settings(max_examples=5)
@given(data=st.data())
def test_any_parts_in_any_grouping_give_the_numbers_of_the_whole(here, asked, data):
    with opened(words(asked)) as comparison:
        whole = document_of(compare(comparison, 0, lambda work, parts: folded(parts, alone(comparison, work), merged)))
        batch = comparison.layout.batch
        cuts = set() if batch is None else data.draw(st.sets(st.integers(1, comparison.layout.shape[batch] - 1)))

        def total(work: Work, parts: list[Part]) -> Sums:
            assert len(parts) == 1
            edges = [0, *sorted(cuts), parts[0].stop]
            pieces = []
            for start, stop in itertools.pairwise(edges):
                part = Part(start, stop)
                if parts[0].places is not None:
                    inside = (parts[0].places >= start) & (parts[0].places < stop)
                    part = part._replace(places=parts[0].places[inside])
                    before = int(np.sum(parts[0].places < start))
                    if not part.elements:
                        continue
                else:
                    before = start
                if parts[0].levels is not None:
                    cut = slice(before, before + part.elements)
                    part = part._replace(levels=comparison.losses.levels_of(parts[0].levels, cut))
                pieces.append(unpacked(packed(sums_of(comparison, work, part))))
            return grouped(data.draw, pieces)

        assert_close(document_of(compare(comparison, 0, total)), whole)


def alone(comparison: Comparison, work: Work) -> Any:
    return lambda part: sums_of(comparison, work, part)


@pytest.mark.parametrize("asked", [each for each in ASKED if each != "one frame"])
def test_a_frame_a_part_gives_the_numbers_of_one_part(here, capsys, monkeypatch, asked):
    found = []
    for size in (blocks.PART, 1):
        monkeypatch.setattr(blocks, "PART", size)
        monkeypatch.setattr(blocks, "BUDGET", min(blocks.BUDGET, size))
        with opened(words(asked)) as comparison:
            axis = comparison.layout.batch
            parts = blocks.parts(comparison.layout, (comparison.pair.prediction, comparison.pair.truth), False)
            assert len(parts) == (1 if size > 1 else comparison.layout.shape[axis or 0])
        assert main([*words(asked), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert_close(found[1], found[0])


@given(
    frames=st.integers(1, 40),
    others=st.integers(1, 5),
    part=st.integers(1, 4000),
    block=st.integers(1, 2000),
    chunk=st.none() | st.integers(1, 45),
)
def test_parts_are_runs_of_whole_slabs_and_of_whole_chunks(frames, others, part, block, chunk):
    shape = (frames, others, 4, 5)
    chunks = None if chunk is None else (min(chunk, frames), 1, 4, 5)
    array = StoredArray("x.zarr", shape, np.dtype(np.float32), lambda index: np.zeros(1), chunks=chunks)
    layout = Layout(shape, (2, 3), None, 0, None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PART", part)
        patch.setattr(blocks, "BUDGET", block)
        found = blocks.parts(layout, (array,), False)
        slabs = list(blocks.slabs(layout, (array,), False))
    assert [(cut.start, cut.stop) for cut in found] == sorted((cut.start, cut.stop) for cut in found)
    assert [i for cut in found for i in range(cut.start, cut.stop)] == list(range(frames))
    element = others * 80
    longest = max(cut.stop - cut.start for cut in found)
    slab = slabs[0].batch.stop
    limit = max(part, slab * element, blocks.CHUNKS_OF_PART * part if chunks and chunks[0] * element <= 8 * part else 0)
    assert longest * element <= limit
    if chunks and chunks[0] * element <= blocks.CHUNKS_OF_PART * part:
        assert all(cut.start % chunks[0] == 0 for cut in found)
    else:
        assert {cut.start for cut in found} <= {each.batch.start for each in slabs}


@given(number=st.integers(1, 3 * FAN_IN**2))
def test_a_tree_keeps_the_order_and_merges_few_at_once(number):
    most = []

    def merge(children: list[list[int]]) -> list[int]:
        most.append(len(children))
        return [each for child in children for each in child]

    assert folded(range(number), lambda i: [i], merge) == list(range(number))
    assert max(most, default=0) <= FAN_IN


def test_merging_leaves_what_is_merged_as_it_was():
    # Workers merge what they keep, and merge it again where a result is lost.
    given = [Sums({"a": np.full(2, i), "b": np.array(1.0 * i)}, {"c": np.full((1, 2), i)}) for i in range(3)]
    given[1:] = [each._replace(absent={"0": np.array([[i, 5.0]])}) for i, each in enumerate(given[1:])]
    for _ in range(2):
        found = merged(given)
        assert (found.added["a"].tolist(), float(found.added["b"])) == ([3, 3], 3)
        assert found.joined["c"].tolist() == [[0, 0], [1, 1], [2, 2]]
        assert found.absent["0"].tolist() == [[0, 5], [1, 5]]
