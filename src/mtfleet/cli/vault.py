"""`mtfleet vault`: the keys that passwords are kept under."""

from mtfleet.cli.administration import administration
from mtfleet.cli.command import DataDirOption, TokenFileOption, UrlOption, group, plain_command
from mtfleet.cli.output import Output

app = group("vault", "The keys that passwords are kept under; for the administrator.")


@app.callback()
def _keep_as_group() -> None:
    """The keys that passwords are kept under; for the administrator."""


@plain_command(app, "rotate", "mtfleet vault rotate", "mtfleet vault rotate --data-dir /var/lib/mtfleet")
def rotate(
    out: Output, url: UrlOption = None, token_file: TokenFileOption = None, data_dir: DataDirOption = None
) -> None:
    """Make a new data key and seal every stored password again under it. The server goes on serving.

    Repeat it after an interruption: what was sealed again stays so, the rest opens under the former key.
    """
    with administration(out, url, token_file, data_dir) as desk, out.progress("Sealing all secrets again"):
        count = desk.rotate()
    if out.as_json:
        out.json({"rewrapped": count})
        return
    out.line(f"{count} secrets sealed again under a new key.")
