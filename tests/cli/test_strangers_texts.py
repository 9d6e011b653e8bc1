"""Names and messages of others, shown on a terminal, move and colour nothing there."""

import json

import pytest

from mtfleet.cli.exits import CommandError
from mtfleet.cli.output import Output

EVIL = "x\x1b[2J\x9b31m\u202e\r\nforged [bold]row[/bold]"
UNSEEN = {"\x1b", "\x9b", "\u202e", "\r"}


@pytest.mark.parametrize("as_json", [True, False])
def test_no_text_of_others_steers_the_terminal(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    items = [{"name": EVIL, "metadata": {"k": EVIL}, "tags": [EVIL]}]
    columns = [("Name", "name"), ("Metadata", "metadata"), ("Tags", "tags")]
    output.table(items, columns, empty="None.")
    output.record(items[0], columns)
    output.note(EVIL)
    output.warn(EVIL)
    with output.progress(EVIL):
        output.step(EVIL)
    output.failure(CommandError(EVIL))
    told = "".join(capsys.readouterr())
    assert "[bold]row[/bold]" in told
    assert not UNSEEN & set(told)


def test_json_keeps_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).json({"name": EVIL})
    told = capsys.readouterr().out
    assert not UNSEEN & set(told)
    assert json.loads(told) == {"name": EVIL}
