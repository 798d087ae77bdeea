"""The backend computes what it should, and the library has found it."""

import array_api_strict as xp
import pytest

import spectral_losses as sl
from spectral_losses.testing import check_backend


def test_the_backend_conforms():
    """On problems of all kinds."""
    check_backend(xp.asarray)


def test_the_backend_is_the_one_in_use():
    """It looks at the values of a mask; the generic backend cannot, and gives NaN."""
    x = xp.ones((8, 8))
    with pytest.raises(ValueError, match="0 everywhere"):
        sl.field_error(x, x, mask=xp.zeros((8, 8), dtype=xp.bool))
