"""Reading metrics: definitions, ordinary output, hostile output, and where the pieces are cut."""

import time
import tracemalloc
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.errors import InvalidSpec
from tuning.metrics import MAX_LINE, MAX_MATCHES, MetricDefinition, MetricReader, metrics_from_json

S2 = metrics_from_json(
    [
        {"name": "valid-precision", "regex": r"pre:\s+(-?[0-9.]+)"},
        {"name": "valid-recall", "regex": r"rec:\s+(-?[0-9.]+)"},
        {"name": "valid-f1", "regex": r"f1:\s+(-?[0-9.]+)"},
    ]
)
READER = MetricReader(S2)
ANY = MetricReader([MetricDefinition("m", r"m=(\S+)")])


def values(reading):
    return [(point.metric, point.value) for point in reading.points]


def test_the_regexes_of_the_demonstration():
    """F58: precision, recall and f1 by three regexes with one group each."""
    output = b"epoch 1\npre: 0.9 rec: 0.8 f1: 0.85\npre:   -1.5\n"
    reading = READER.read(output)
    assert values(reading) == [
        ("valid-precision", 0.9), ("valid-recall", 0.8), ("valid-f1", 0.85), ("valid-precision", -1.5),
    ]  # fmt: skip
    assert (reading.consumed, reading.skipping, reading.rejected) == (len(output), False, [])


def test_every_match_is_a_value():
    """F59."""
    reading = READER.read(b"f1: 0.1 f1: 0.2 f1: 0.3\n")
    assert values(reading) == [("valid-f1", 0.1), ("valid-f1", 0.2), ("valid-f1", 0.3)]


def test_a_quoted_report_of_a_trainer():
    """F58: 'eval_accuracy': ([0-9\\.]+)."""
    reader = MetricReader([MetricDefinition("acc", r"'eval_accuracy': ([0-9\.]+)")])
    assert values(reader.read(b"{'eval_loss': 0.5, 'eval_accuracy': 0.79699}\n")) == [("acc", 0.79699)]


@pytest.mark.parametrize(
    ("data", "consumed", "found"),
    [
        (b"m=1\nm=2", 4, [1]),
        (b"m=1\nm=2\n", 8, [1, 2]),
        (b"m=1\r\nm=2\r\n", 10, [1, 2]),
        (b"m=1\rm=2\rm=3", 8, [1, 2]),  # a progress bar
        (b"\n\n\r\r\n", 5, []),
        (b"", 0, []),
        (b"m=1", 0, []),
        (b"m=1\0m=2\n", 8, []),
    ],
)
def test_complete_lines_only(data, consumed, found):
    reading = ANY.read(data)
    assert (reading.consumed, [point.value for point in reading.points]) == (consumed, found)


def test_the_last_line_counts_when_the_trial_has_ended():
    reading = ANY.read(b"m=1\nm=2", final=True)
    assert (reading.consumed, [point.value for point in reading.points]) == (7, [1, 2])


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e999"])
def test_what_is_not_finite_is_rejected_with_a_reason(text):
    reading = ANY.read(f"m={text}\nm=1\n".encode())
    assert [point.value for point in reading.points] == [1]
    assert len(reading.rejected) == 1
    assert text in reading.rejected[0].reason and "not a finite number" in reading.rejected[0].reason


@pytest.mark.parametrize("text", ["abc", "1_000", "0x10", "1,5", "--1", "1.2.3", "٣"])
def test_what_is_not_a_number_is_rejected_with_a_reason(text):
    reading = ANY.read(f"m={text}\n".encode())
    assert not reading.points
    assert reading.rejected[0].metric == "m" and "is not a number" in reading.rejected[0].reason


def test_numbers_in_all_their_forms():
    reading = ANY.read(b"m=1 m=-2.5 m=+3 m=1e-3 m=.5 m=5. m=1E+2 m=5e-324\n")
    assert [point.value for point in reading.points] == [1, -2.5, 3, 0.001, 0.5, 5, 100, 5e-324]


def test_bytes_that_are_no_utf8_spoil_nothing():
    reading = ANY.read(b"\xff\xfe m=1 \x80\nm=2\xff\n\xc3(m=3\n")
    assert [point.value for point in reading.points] == [1, 2, 3]
    reading = MetricReader([MetricDefinition("m", r"(?s)m=(\C+)")]).read(b"m=\xff\n")
    assert reading.points == [] and "is not a number" in reading.rejected[0].reason


def test_what_is_rejected_can_be_stored_and_sent():
    """No NUL and no lone surrogate: neither a database nor JSON takes them."""
    reader = MetricReader([MetricDefinition("m", r"(?s)m=(.*)")])
    data = b'm=\0\xff\n{"hpt": {"m": "\\ud800\\u0000"}}\n{"hpt": {"step": "\\ud800"}}\n'
    rejected = reader.read(data).rejected
    assert len(rejected) == 3
    for one in rejected:
        (one.text + one.reason).encode()
        assert "\0" not in one.text + one.reason


def test_json_reports():
    reading = READER.read(b'{"hpt": {"valid-f1": 0.93, "other": 1, "step": 3}}\n')
    assert [(p.metric, p.value, p.step) for p in reading.points] == [("valid-f1", 0.93, 3)]
    assert reading.rejected == []
    reading = READER.read(b'  { "hpt" :{"valid-f1": 1, "valid-recall": 2}}\r\n')
    assert [(p.metric, p.value, p.step) for p in reading.points] == [("valid-f1", 1, None), ("valid-recall", 2, None)]


def test_a_json_report_is_not_read_by_the_regexes_as_well():
    reader = MetricReader([MetricDefinition("f1", r'"f1": ([0-9.]+)')])
    assert values(reader.read(b'{"hpt": {"f1": 0.5}}\n{"f1": 0.6}\n')) == [("f1", 0.5), ("f1", 0.6)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"hpt": {"valid-f1": NaN}}', "not a finite number"),
        (b'{"hpt": {"valid-f1": 1e999}}', "not a finite number"),
        (b'{"hpt": {"valid-f1": "0.5"}}', "not a number"),
        (b'{"hpt": {"valid-f1": true}}', "not a number"),
        (b'{"hpt": {"valid-f1": null}}', "not a number"),
        (b'{"hpt": {"valid-f1": ' + b"9" * 400 + b"}}", "not a finite number"),
        (b'{"hpt": {"valid-f1": ' + b"9" * 5000 + b"}}", "not a JSON report"),
        (b'{"hpt": 3}', "holds no object"),
        (b'{"hpt": {"valid-f1": 1}', "not a JSON report"),
        (b'{"hpt": ' + b"[" * 4000, "not a JSON report"),
        (b'{"hpt": {"valid-f1": 1}, "x": "' + b"x" * MAX_LINE + b'"}', "longer than"),
        (b'{"hpt": "\xff"}', "not a JSON report"),
    ],
)
def test_bad_json_reports_are_rejected_with_a_reason(line, reason):
    reading = READER.read(line + b"\nf1: 0.5\n")
    assert values(reading) == [("valid-f1", 0.5)]
    assert len(reading.rejected) == 1 and reason in reading.rejected[0].reason


@pytest.mark.parametrize("step", ["-1", "1.5", '"3"', "true", str(2**60), '"\\ud800"', "[]"])
def test_a_bad_step_is_rejected_and_the_value_kept(step):
    reading = READER.read(f'{{"hpt": {{"valid-f1": 1, "step": {step}}}}}\n'.encode())
    assert [(p.metric, p.value, p.step) for p in reading.points] == [("valid-f1", 1, None)]
    assert "not a step" in reading.rejected[0].reason


def test_of_a_long_line_only_the_beginning_is_searched():
    line = b"m=1 " + b"x" * MAX_LINE + b" m=2\nm=3\n"
    reading = ANY.read(line)
    assert [point.value for point in reading.points] == [1, 3]
    assert (reading.consumed, reading.skipping) == (len(line), False)


def test_a_value_at_the_cut_is_not_half_read():
    line = b"x" * (MAX_LINE - 5) + b" m=0.93\n"
    reading = ANY.read(line)
    assert not reading.points
    assert "cut off" in reading.rejected[0].reason


def test_a_line_of_exactly_the_limit_is_whole():
    line = b"x" * (MAX_LINE - 4) + b" m=1\n"
    assert [point.value for point in ANY.read(line).points] == [1]


def test_a_2_gb_line_costs_neither_memory_nor_points():
    """A huge line arrives piece by piece; each read is bounded and says that it is inside a line."""
    piece = b"m=7 " * (1 << 14)  # 64 KiB
    total, skipping, points = 0, False, 0
    tracemalloc.start()
    for _ in range(2 * 1024 * 16):  # 2 GiB
        reading = ANY.read(piece, skipping=skipping)
        total, skipping, points = total + reading.consumed, reading.skipping, points + len(reading.points)
        if reading.consumed == len(piece) and total > (1 << 28) and points <= MAX_MATCHES:
            break  # it is the same from here on
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 1 << 28 and skipping and points == MAX_MATCHES
    assert peak < 1 << 20
    reading = ANY.read(b"m=8\nm=9\n", skipping=True)
    assert ([point.value for point in reading.points], reading.skipping) == ([9], False)


def test_too_many_values_on_one_line_are_cut_with_a_reason():
    reading = ANY.read(b"m=1 " * (MAX_MATCHES + 50) + b"\nm=2\n")
    assert len(reading.points) == MAX_MATCHES + 1
    assert f"beyond the first {MAX_MATCHES}" in reading.rejected[0].reason


def test_skipping_without_an_end_goes_on():
    reading = ANY.read(b"m=1 m=2", skipping=True)
    assert (reading.consumed, reading.skipping, reading.points) == (7, True, [])
    reading = ANY.read(b"m=1", skipping=True, final=True)
    assert (reading.consumed, reading.skipping, reading.points) == (3, False, [])


LONG = (b"x" * 3000, b"y" * MAX_LINE)
PIECES = st.lists(
    st.sampled_from([b"m=1", b"m=2.5 ", b"\n", b"\r", b"\r\n", *LONG, b'{"hpt": {"m": 3}}', b"\xff"]), max_size=12
)


@given(PIECES, st.lists(st.integers(500, 3 * MAX_LINE), min_size=1, max_size=6))
def test_where_the_pieces_are_cut_changes_nothing(pieces, sizes):
    data = b"".join(pieces)
    whole = ANY.read(data, final=True)
    offset, end, skipping, points, rejected = 0, 0, False, [], []
    for turn in count():
        end = min(len(data), end + sizes[turn % len(sizes)])
        reading = ANY.read(data[offset:end], skipping=skipping, final=end == len(data))
        offset, skipping = offset + reading.consumed, reading.skipping
        points += reading.points
        rejected += reading.rejected
        if end == len(data):
            break
    assert (points, offset, skipping) == (whole.points, len(data), False)
    assert rejected == whole.rejected


HOSTILE = [
    r"(a+)+$", r"(a|a)*b", r"(?:.*)(?:.*)(?:.*)=(\d+)", r"(?:x+x+)+(y)", r"^(?:\d+,?)+($)",
    r"((?:a|b)*a(?:a|b){200})", r"((?:[ab]*a[ab]{400}))c", r"(a{1,900})b", r"(?:a?){300}(a{300})",
]  # fmt: skip


@pytest.mark.parametrize("regex", HOSTILE)
def test_hostile_patterns_cost_little(regex):
    reader = MetricReader([MetricDefinition("m", regex)])
    for line in (b"a" * MAX_LINE, b"ab" * (MAX_LINE // 2), b"1," * (MAX_LINE // 2)):
        began = time.process_time()
        reader.read(line + b"\n")
        assert time.process_time() - began < 0.5  # some ms; a backtracking engine takes longer than the universe


@pytest.mark.parametrize(
    ("regex", "part"),
    [
        (r"f1: [0-9.]+", "0 groups"),
        (r"(f1): ([0-9.]+)", "2 groups"),
        (r"f1: ([0-9.]+", "does not compile"),
        (r"(?<=f1: )([0-9.]+)", "no look-around"),
        (r"(a)\1", "no back-references"),
        (r"((a{100}){100}){100}", "does not compile"),
        (r"(\pL{2})", "too complex"),
        (r"(\pL{900})", "does not compile"),
        ("(" + "a" * 520 + ")", "512"),
        ("", "one group"),
        (None, "one group"),
        ("(\ud800)", "does not compile"),
    ],
)
def test_bad_regexes_are_refused(regex, part):
    with pytest.raises(InvalidSpec) as caught:
        metrics_from_json([{"name": "f1", "regex": regex}])
    (fault,) = caught.value.faults
    assert fault.field == "metrics[0].regex" and part in fault.message


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ("x", ["metrics"]),
        ([], ["metrics"]),
        ([{"name": f"m{i}", "regex": "(a)"} for i in range(41)], ["metrics"]),
        ([3], ["metrics[0]"]),
        ([{"name": "a", "regex": "(a)"}, {"name": "a", "regex": "(a)"}], ["metrics[1].name"]),
        ([{"name": "", "regex": "a", "x": 1}], ["metrics[0].name", "metrics[0].regex", "metrics[0].x"]),
        ([{"name": "step", "regex": "(a)"}], ["metrics[0].name"]),
        ([{"name": " a", "regex": "(a)"}], ["metrics[0].name"]),
        ([{"name": "a\n", "regex": "(a)"}], ["metrics[0].name"]),
    ],
)
def test_bad_definitions_are_refused_all_at_once(document, fields):
    with pytest.raises(InvalidSpec) as caught:
        metrics_from_json(document)
    assert sorted(fault.field for fault in caught.value.faults) == fields


def test_a_group_that_takes_no_part_is_no_value():
    reader = MetricReader([MetricDefinition("m", r"loss(?:=(\d+))?")])
    reading = reader.read(b"loss loss=3 loss\n")
    assert (values(reading), reading.rejected) == ([("m", 3.0)], [])


def test_patterns_do_not_disturb_each_other():
    """Flags, alternatives, and groups of the same name stay each in its own pattern."""
    patterns = {"a": r"(?i)a=(?P<v>\d+)", "b": r"b=(?P<v>\d+)", "c": r"x|c=(\d+)"}
    reader = MetricReader([MetricDefinition(name, regex) for name, regex in patterns.items()])
    assert values(reader.read(b"A=1 b=2 c=3\nB=4\n")) == [("a", 1), ("b", 2), ("c", 3)]


def test_no_definitions_read_nothing():
    assert MetricReader([]).read(b"m=1\n").points == []


def test_a_million_ordinary_bytes_take_a_moment():
    data = b"2024-01-01 12:00:00 INFO batch of data loaded from disk, going on\n" * 16_000
    began = time.process_time()
    READER.read(data)
    assert time.process_time() - began < 1.0
