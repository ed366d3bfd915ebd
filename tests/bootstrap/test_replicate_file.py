"""Damaged files of replicates: the very numbers or a DataError, never other numbers."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from statsmodels_mixed import DataError, LinearMixedModel, datasets
from statsmodels_mixed.bootstrap import replicate_file
from statsmodels_mixed.inference import Bootstrap, bootstrap

COUNT = 70


@cache
def sleepstudy():
    formula = "reaction ~ days + (days | subj)"
    return LinearMixedModel.from_formula(formula, datasets.load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Content of a file of several batches, and its replicates."""
    path = tmp_path_factory.mktemp("whole") / "boot.arrow"
    bootstrap(sleepstudy(), COUNT, seed=5, path=path)
    bootstrap(sleepstudy(), COUNT + 250, path=path)
    return path.read_bytes(), Bootstrap.restore(path)


def restored(content: bytes, tmp_path) -> Bootstrap:
    path = tmp_path / "copy.arrow"
    path.write_bytes(content)
    return Bootstrap.restore(path)


def agrees(part: Bootstrap, boot: Bootstrap) -> bool:
    values = boot.values[np.isin(boot.number, part.number)]
    return np.array_equal(part.values, values, equal_nan=True) and part.recipe.formula == (
        boot.recipe.formula
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_an_error_or_nothing(whole, tmp_path, seed):
    content, boot = whole
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        try:
            again = restored(bytes(damaged), tmp_path)
        except DataError as error:
            refused += 1
            assert str(error).count("\n") == 0
        else:
            assert agrees(again, boot)
            assert len(again) == len(boot)
    assert refused > 100  # the rest are bytes that only fill up to a multiple of eight


def test_a_bit_of_every_byte_of_the_header(whole, tmp_path):
    content, boot = whole
    source = pa.BufferReader(content)
    pa.ipc.open_stream(source)
    for at in range(0, source.tell(), 7):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        try:
            again = restored(bytes(damaged), tmp_path)
        except DataError:
            continue
        assert agrees(again, boot)
        assert again.recipe.labels == boot.recipe.labels


def test_a_run_does_not_go_on_from_a_damaged_file(whole, tmp_path):
    content, _ = whole
    path = tmp_path / "copy.arrow"
    damaged = bytearray(content)
    damaged[2 * len(content) // 3] ^= 16
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"'.*copy.arrow' is damaged"):
        bootstrap(sleepstudy(), COUNT, path=path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("tail", [b"garbage", b"\xff\xff\xff\xff", b"\0" * 8])
def test_what_is_appended_to_a_complete_file_is_damage(whole, tmp_path, tail):
    with pytest.raises(DataError, match="is damaged"):
        restored(whole[0] + tail, tmp_path)


def test_a_file_cut_anywhere_is_that_of_a_killed_run(whole, tmp_path):
    content, boot = whole
    source = pa.BufferReader(content)
    pa.ipc.open_stream(source)
    header = source.tell()
    for cut in np.linspace(header, len(content) - 1, 40).astype(int):
        part = restored(content[:cut], tmp_path)
        assert len(part) <= len(boot)
        assert agrees(part, boot)
    for cut in np.linspace(0, header - 1, 20).astype(int):
        with pytest.raises(DataError, match="is no Arrow stream of replicates"):
            restored(content[:cut], tmp_path)


def test_batches_of_another_run_are_damage(whole, tmp_path):
    content, _ = whole
    path = tmp_path / "other.arrow"
    bootstrap(sleepstudy(), COUNT, seed=6, path=path)
    header = content[: len(content) - len(_batches(content))]
    with pytest.raises(DataError, match="does not have its checksum"):
        restored(header + _batches(path.read_bytes()), tmp_path)


def _batches(content: bytes) -> bytes:
    source = pa.BufferReader(content)
    pa.ipc.open_stream(source)
    return content[source.tell() :]


def test_a_batch_written_twice_is_damage(whole, tmp_path):
    content, _ = whole
    header = len(content) - len(_batches(content))
    twice = content[:-8] + content[header:]
    with pytest.raises(DataError, match="holds a replicate twice"):
        restored(twice, tmp_path)


def test_a_version_from_the_future(whole, tmp_path):
    schema = replicate_file._schema(whole[1].recipe, COUNT)
    text = json.loads(schema.metadata[replicate_file._KEY])
    later = schema.with_metadata({replicate_file._KEY: json.dumps({**text, "version": 99})})
    with pytest.raises(DataError, match=r"has version 99 of the format .* reads version 5"):
        restored(bytes(later.serialize()), tmp_path)
