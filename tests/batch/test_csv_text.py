"""Every quote in its place: against the standard library's writer, and letter by letter."""

import csv
import io

import pyarrow as pa
import pyarrow.csv as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capstone_lib.batch.csv_text import Quotes, open_text

CUTS = st.lists(st.integers(1, 7), min_size=1)


def is_refused(text, cuts):
    """Whether the text is refused when it comes in pieces of these lengths, over and over."""
    data, quotes, start, turn = text.encode(), Quotes(), 0, 0
    try:
        while start < len(data):
            quotes.check(data[start : start + cuts[turn % len(cuts)]])
            start += cuts[turn % len(cuts)]
            turn += 1
        quotes.check(b"")
    except pa.ArrowInvalid:
        return True
    return False


def is_wrong(text):
    """The same letter by letter: an even run of quotes is text, an odd one opens or closes."""
    inside, place = False, 0
    while place < len(text):
        end = place
        while end < len(text) and text[end] == '"':
            end += 1
        if (end - place) % 2:
            beside = text[end : end + 1] if inside else text[place - 1 : place] if place else ""
            if beside not in ("", ",", "\n", "\r"):
                return True
            inside = not inside
        place = max(end, place + 1)
    return inside


@given(
    st.lists(st.lists(st.text('",\n\ra☃', max_size=5), min_size=1), min_size=1),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    CUTS,
)
def test_what_a_writer_quotes_is_in_its_place(rows, quoting, cuts):
    file = io.StringIO()
    csv.writer(file, quoting=quoting).writerows(rows)

    assert not is_refused(file.getvalue(), cuts)
    assert not is_refused("\ufeff" + file.getvalue(), [3, *cuts])


@given(st.text('",\na', max_size=30), CUTS)
def test_any_text_is_judged_as_letter_by_letter(text, cuts):
    assert is_refused(text, cuts) == is_wrong(text)


@pytest.mark.parametrize(
    ("text", "line"), [('a\n"b\nc\n', None), ('a,b\nc,d"\ne', 2), ('"a"\n"b"c\n', 2)]
)
def test_the_line_of_the_quote_is_told(tmp_path, text, line):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(pa.ArrowInvalid, match=f"line {line} has" if line else "never closed"):
        pc.read_csv(open_text(tmp_path / "a.csv"))
