"""Lines of a CSV file that are no rows, or rows that do not fit: counted rejects, never lost.

A quote out of place would take the lines after it along, so it is refused as a whole.
"""

import pytest


def csv(people, **options):
    return people.to_csv(index=False, **options).encode()


def lines(people):
    return csv(people).decode().splitlines(keepends=True)


def changed(people, row, line):
    """The people as CSV with the line of one of them replaced."""
    rows = lines(people)
    rows[row + 1] = line
    return "".join(rows).encode()


LINES = {  # what stands in the place of row 5, and what is said of it
    "too few fields": ("1005,40\n", "line 7: 2 fields instead of 6"),
    "too many fields": ("1005,40,30,cook,1,True,1\n", "line 7: 7 fields instead of 6"),
    "a comma in a number": ("1005,40,30,5,cook,1,True\n", "line 7: 7 fields instead of 6"),
    "another separator": ("1005;40;30;cook;1;True\n", "line 7: 1 fields"),
    "one word": ("total\n", "line 7: 1 fields"),
    "two quotes": ('""\n', "line 7: 1 fields instead of 6"),
    "a field of 5 MB": (f"{'x' * 5_000_000},1\n", "line 7: 2 fields instead of 6"),
    "NUL bytes": ("\x00" * 50 + "\n", "line 7: 1 fields"),
    "only commas": (",,,,,\n", "age: null; job: null; sector: null; married: null; id: null"),
    "words for numbers": (
        "1005,old,full,cook,one,yes\n",
        "age: wrong_type; hours: wrong_type; sec",
    ),
    "the header again": ("row_id,age,hours,job,sector,married\n", "age: wrong_type"),
    "a date": ("1005,2016-01-31,30,cook,1,True\n", "age: wrong_type"),
    "a decimal comma": ('1005,40,"30,5",cook,1,True\n', "hours: wrong_type"),
    "thousands": ('1005,"1,040",30,cook,1,True\n', "age: wrong_type"),
    "a formula": ("1005,=1+1,30,cook,1,True\n", "age: wrong_type"),
    "hexadecimal": ("1005,0x28,30,cook,1,True\n", "age: wrong_type"),
    "other digits": ("1005,4_0,30,cook,1,True\n", "age: wrong_type"),
    "infinity": ("1005,40,inf,cook,1,True\n", "hours: infinite"),
    "too many digits": (f"1005,40,{'9' * 400},cook,1,True\n", "hours: infinite"),
    "large": ("1005,1e31,30,cook,1,True\n", "age: too_large"),
    "a fraction": ("1005,40.5,30,cook,1,True\n", "age: fractional"),
    "an unknown sector": ("1005,40,30,cook,9,True\n", "sector: unknown_category"),
    "a boolean of another language": ("1005,40,30,cook,1,wahr\n", "married: wrong_type"),
    "no id": (",40,30,cook,1,True\n", "id: null_id"),
    "an id again": ("1004,40,30,cook,1,True\n", "id: duplicate_id"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_bad_line_is_a_counted_reject(judge, people, folder, case):
    line, said = LINES[case]
    (folder / "a.csv").write_bytes(changed(people, 5, line))

    judge.scores(folder / "a.csv", people.drop(index=5), rejects=[said])


# --- an unclosed quote takes the lines after it along: nothing of the file can be trusted ---------

QUOTES = {
    "the first field": '"1005,40,30,cook,1,True\n',
    "a middle field": '1005,40,30,"cook,1,True\n',
    "the last field": '1005,40,30,cook,1,"True\n',
    "within a field": '1005,40,30,5" nail,1,True\n',
    "a line of its own": '"\n',
}


@pytest.mark.parametrize("row", [0, 5, 23])
@pytest.mark.parametrize("case", QUOTES)
def test_an_unclosed_quote_is_refused(judge, people, folder, case, row):
    (folder / "a.csv").write_bytes(changed(people, row, QUOTES[case]))

    judge.refuses(folder / "a.csv", "quote", max_reject_share=1)


@pytest.mark.parametrize("place", [0, 5, 10, 20])
def test_two_unclosed_quotes_are_refused(judge, people, folder, place):
    rows = lines(people)
    rows[3], rows[5] = (f'{row[:place]}"{row[place:]}' for row in (rows[3], rows[5]))
    (folder / "a.csv").write_text("".join(rows))

    judge.refuses(folder / "a.csv", "line [46] has a quote", max_reject_share=1)


def test_a_field_of_several_lines_that_does_not_fit_says_so(judge, people, folder):
    rows = lines(people)
    rows[3], rows[5] = '1002,40,30,"cook,1,True\n', '1004,40,30,cook",1\n'
    (folder / "a.csv").write_text("".join(rows))

    judge.scores(
        folder / "a.csv", people.drop(index=[2, 3, 4]), rejects=["over 3 lines: is a quote not"]
    )


def test_lines_end_within_quotes_wherever_a_block_ends(judge, people, folder):
    comment = "first, second\n1000,1,1,cook,1,True\n" * 9000  # three blocks
    people.assign(comment=comment).to_csv(folder / "a.csv", index=False)

    judge.scores(folder / "a.csv", people)
