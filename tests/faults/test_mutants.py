"""The mutants keep up with the product, so that a run of them does not end with patches that do not fit."""

from pathlib import Path

import pytest
from tests.faults.mutate import MUTANTS, PATCHES
from tests.faults.source import copy_of_source


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_a_mutant_fits_the_product(name: str, tmp_path: Path) -> None:
    copy_of_source(tmp_path, patch=PATCHES / f"{name}.patch")


def test_each_patch_belongs_to_a_mutant() -> None:
    assert {patch.stem for patch in PATCHES.glob("*.patch")} == {mutant.name for mutant in MUTANTS}
