"""Subjects of rows: validity of their ids, and the group that the contract gives them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.assignment import assign_hashes, assign_many
from contracts.generation import Generation
from contracts.profiles import profile_of

#: Length and digits of an xlab subject id, a SHA-256 digest; the contract's hash is its first 24 bits.
_DIGEST_LENGTH, _HEXADECIMAL = 64, "0123456789abcdef"

#: Pattern of an alpha subject, the id of a registered user: from 1, in 64 bits.
_USER_ID = profile_of(Generation.ALPHA).identifier.pattern

#: The value of each hexadecimal digit, by its ASCII code.
_DIGITS = np.zeros(256, np.uint32)
_DIGITS[np.frombuffer(_HEXADECIMAL.encode(), np.uint8)] = np.arange(16)


def classify_subjects(
    subjects: pa.Table, generation: Generation, experiment: str, groups: Sequence[str], rate: float
) -> pa.Table:
    """Return *subjects*, the rows of `analysis/sql/queries/subjects.sql`, with two more columns.

    `valid` is whether the subject's id is well-formed. `expected` is the group that the contract gives it, null for a
    subject outside the sample or with a malformed id.
    """
    ids = subjects["subject"].combine_chunks()
    valid = pc.fill_null(_is_user_id(ids) if generation is Generation.ALPHA else _is_digest(ids), False)
    if generation is Generation.ALPHA:
        users = ids.filter(valid).cast(pa.int64()).to_numpy()
        assignments = assign_many(generation, users, experiment, groups, rate)
    else:
        assignments = assign_hashes(_first_24_bits(ids, valid), len(groups), rate)
    index = np.full(len(ids), -1, np.int16)
    index[valid.to_numpy(zero_copy_only=False)] = assignments.group
    expected = pa.DictionaryArray.from_arrays(pa.array(index, mask=index < 0), pa.array(groups, pa.string()))
    return subjects.append_column("valid", valid).append_column("expected", expected)


def _is_user_id(ids: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(ids, f"^{_USER_ID}$")


def _is_digest(ids: pa.StringArray) -> pa.BooleanArray:
    # There are millions of ids, and a regular expression takes twice as long.
    only_digits = pc.equal(pc.utf8_trim(ids, characters=_HEXADECIMAL), "")
    return pc.and_(pc.equal(pc.binary_length(ids), _DIGEST_LENGTH), only_digits)


def _first_24_bits(ids: pa.StringArray, valid: pa.BooleanArray) -> NDArray[np.uint32]:
    """Return the first 24 bits of each *valid* id, which has hexadecimal digits only."""
    _, heads = pc.binary_slice(ids.cast(pa.binary()), 0, 6).filter(valid).cast(pa.binary(6)).buffers()
    digits = _DIGITS[np.frombuffer(heads, np.uint8)].reshape(-1, 6)
    weights = np.uint32(1) << np.arange(20, -1, -4, dtype=np.uint32)
    bits: NDArray[np.uint32] = (digits * weights).sum(axis=1, dtype=np.uint32)
    return bits
