"""Files that are no log, or not all of one: one line that says what is wrong, where, and what to do."""

import json
import re

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.diff import main
from tests.support.sample_logs import LOGS, falling, write_log

STATE = {"log_history": [{"loss": 2.0, "step": 10}, {"loss": 1.0, "step": 20}], "max_steps": 20}
EVENT = ':::MLLOG {"key": "train_loss", "value": 2.0, "metadata": {"step_num": 1}}\n'
UNKNOWN = "1: neither a trace nor a log of a format that is known (docs/logs.md lists them).\n"
# By what is wrong: the content, and the beginning of the message behind the name of the file.
MALFORMED = {
    "empty": ("", "1: the file is empty; expected a header line."),
    "blank": ("\n \n", "1: the file is empty; expected a trace or a log."),
    "prose": ("Hello there.\n", UNKNOWN),
    "binary": (b"\x00\x01\xff\xfe" * 99, UNKNOWN),
    "a number": ("17", UNKNOWN),
    "JSON cut off": (json.dumps(STATE, indent=2)[:-40], "1: not JSON: "),
    "deep JSON": ("[" * 99999, "1: not JSON: nested too deeply; expected a trace or a log."),
    "no losses": ("step,f1\n1,0.5\n", "1: CSV without a column of losses; it has 'step' and 'f1'."),
    "no rows": ("step,loss\n", "1: a log of CSV without any loss of a step."),
    "no number": ("step,loss\n1,2.0\n2,abc\n", "3: loss is 'abc'; expected a number."),
    "no rate": ("step,loss,lr\n1,2.0,fast\n", "2: lr is 'fast'; expected a number."),
    "part of a step": ("step,loss\n1.5,2.0\n", "2: step is '1.5'; expected the number of a step."),
    "no step": ("step,loss\n1,2.0\n,1.9\n", "3: step is None; expected the number of a step."),
    "negative step": ("step,loss\n-1,2.0\n", "1: step -1 is none; steps count from 0 or 1."),
    "huge step": ("step,loss\n1e300,2.0\n", f"1: step {int(1e300)} is none; steps count from 0 or 1."),
    "row cut off": ("step,loss,lr\n1,2.0,0.1\n2,1.9", "3: 2 cells under 3 columns; the file may be cut off."),
    "row too long": ("step,loss\n1,2.0,7\n", "2: 3 cells under 2 columns; the file may be cut off."),
    "column twice": ("step,loss,loss\n1,2,3\n", "1: column 'loss' is there twice."),
    "quotation open": ('step,loss\n"1,2\n', "1: not CSV: unexpected end of data."),
    "epochs missing": ("epoch,loss\n0,2.0\n2,1.0\n", "1: epochs are missing; expected one row an epoch, from 0 or 1."),
    "JSON Lines cut off": ('{"step":1,"loss":2}\n{"step":2,"lo', "2: not JSON: "),
    "JSON Lines with a list": ('{"step":1,"loss":2}\n[2]\n', "2: not an object; expected one a line."),
    "history no list": ('{"log_history": 5}', "1: log_history is not a list of objects."),
    "history empty": ('{"log_history": []}', "1: Hugging Face trainer_state in which no step has logged its loss."),
    "loss an object": ('{"log_history": [{"step": 1, "loss": {}}]}', "1: loss is {}; expected a number."),
    "loss true": ('{"log_history": [{"step": 1, "loss": true}]}', "1: loss is True; expected a number."),
    "golden of what": (
        '{"lm loss": {"values": 5}}',
        "1: the values of 'lm loss' are neither by step nor a list with start_step and step_interval.",
    ),
    "golden without losses": (
        '{"mem": {"values": {"1": 5}}}',
        "1: Megatron golden values without a column of losses; it has 'step' and 'mem'. Name one with --loss-key.",
    ),
    "three words": ("1 2.0\n2 1.9 7\n", "2: 3 words; expected a step and a loss."),
    "event cut off": (EVENT + EVENT[:30], "2: not an event of mllog: "),
    "no event": (EVENT.replace("train", "eval"), "1: MLPerf log without any event 'train_loss'."),
    "samples of no batch": (
        ':::MLLOG {"key": "global_batch_size", "value": 64}\n'
        + EVENT.replace('"step_num": 1', '"samples_count": 65'),
        "1: samples_count are not whole batches of 64 samples.",
    ),
    "no samples": (EVENT.replace('step_num": 1', 'samples_count": "x"'), "1: samples_count is 'x'; expected"),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_wrong_is_said_in_one_line(tmp_path, what):
    content, message = MALFORMED[what]
    path = tmp_path / "odd.log"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    good = write_log(tmp_path, "csv", falling())
    found = CliRunner().invoke(main, [str(good), str(path)], catch_exceptions=False)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{path}:{message}")
    assert re.fullmatch(r"[^\n]+[.]\n", found.stderr)


@pytest.mark.parametrize("name", LOGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.data())
def test_no_log_gives_a_traceback(tmp_path, name, data):
    path = write_log(tmp_path, name, falling(20))
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 200)))
    odd = tmp_path / "odd"
    odd.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[stop:])
    found = CliRunner().invoke(main, [str(path), str(odd)], catch_exceptions=False)
    assert found.exit_code in (0, 1, 2, 3)
    if found.exit_code == 2:
        assert re.fullmatch(rf"{re.escape(str(odd))}:\d+: [^\n]+\n", found.stderr), found.stderr


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("ending", ["bom", "crlf", "no newline", "utf-16"])
def test_endings_and_marks_change_nothing(tmp_path, name, ending):
    path = write_log(tmp_path, name, falling())
    text = path.read_text().rstrip()
    odd = tmp_path / "odd"
    match ending:
        case "bom":
            odd.write_bytes(b"\xef\xbb\xbf" + text.encode())
        case "crlf":
            odd.write_bytes(text.replace("\n", "\r\n").encode())
        case "utf-16":
            odd.write_bytes(text.encode("utf-16"))
        case _:
            odd.write_text(text)
    found = CliRunner().invoke(main, [str(path), str(odd), "--window=100"], catch_exceptions=False)
    assert found.exit_code == (3 if name == "keras" else 0), found.output
